"""`python -m rehearsal`: the whole cutover on this machine, with a report; what did not hold ends it with 1."""

from __future__ import annotations

import argparse
import json
import sys
import time

from offline.images.build import Images
from offline.machine import ROOT, Machine
from rehearsal import scenes
from rehearsal.books import Books
from rehearsal.load import load
from rehearsal.operator import Operator, RehearsalError
from rehearsal.play import Console, Play
from rehearsal.report import Report
from rehearsal.stage import BASE, CANDIDATE, STABLE, Stage

RATE = 120.0
"""Requests a second: enough that each gate has its sample within the holds below."""
HOLDS = {"canary": 25, "staged": 20, "production": 15}
"""Seconds, where the playbook has 30 minutes, an hour and a day."""


def main(arguments: list[str] | None = None) -> int:
    """Plays all acts, prints the report, and returns 0 where all that was declared held."""
    parser = argparse.ArgumentParser(prog="rehearsal", description=__doc__)
    parser.add_argument("--rate", type=float, default=RATE, help="requests a second (default %(default)g)")
    options = parser.parse_args(arguments)
    folder = ROOT / ".local" / "rehearsal" / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    folder.mkdir(parents=True)
    stage = Stage(machine=Machine.load(), images=Images().present(), holds=HOLDS)
    say = Console()
    play = Play(
        stage=stage,
        operator=Operator(root=ROOT, log=folder / "commands.log", say=say),
        folder=folder,
        rate=options.rate,
        report=Report(title=f"Rehearsal: web-next {STABLE} on mocks to {CANDIDATE}"),
        say=say,
    )
    try:
        perform(play)
    except RehearsalError as error:
        play.report.broken = str(error)
    (folder / "report.json").write_text(json.dumps(play.report.document(), indent=2) + "\n")
    (folder / "report.md").write_text(play.report.text())
    print(
        f"\n{play.report.text()}\n  report {folder.relative_to(ROOT)}/report.md, also .json; requests.jsonl beside it"
    )
    if play.report.broken:
        print(
            f"  {BASE} and its candidate are as it left them: cutover status -s {BASE}; make rehearse begins anew\n"
            "  held for want of requests, or for what was slow: this machine was busy with something else"
        )
    return int(not play.report.held)


def perform(play: Play) -> None:
    """All acts in their order; the load is on from the second."""
    scenes.set_the_stage(play)
    books = Books(play.deployed(play.stage.base).places)
    requests = play.folder / "requests.jsonl"
    with books.followed(), load(play.stage, rate=play.rate, keep=requests) as clients:
        scenes.adapter_by_adapter(play)
        scenes.taken_back(play, clients, books)
        scenes.carried_through(play, clients, books)


if __name__ == "__main__":
    sys.exit(main())
