"""The way back of a rollout that runs under load, with all else away; and what is held where nobody is to blame."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.evidence.bucket import RecordsBucket
from cutover.rollout.record import State
from cutover.rollout.store import Store
from cutover.traffic import traffic_split
from rehearsal.faults import hung
from tests.support.faults import paused
from tests.support.under_load import HELD, ROLLED_BACK, UNFINISHED, Rollouts, all_else_away, rollouts, updating

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
FEW = 60.0
"""Requests a second: no gate's sample, which nothing here waits for; in two seconds a dozen for the candidate."""


@pytest.fixture(scope="module")
def running() -> Iterator[Rollouts]:
    with rollouts(FEW) as made:
        yield made


@pytest.fixture(autouse=True)
def _taken_back(running: Rollouts) -> None:
    """A test that fails leaves its rollout running, which is not the next one's to explain."""
    if running.play.record and running.play.record.state.running:
        running.clean()


def on_the_candidate(running: Rollouts, since: float) -> int:
    """How many requests that began after a moment the candidate has answered."""
    return sum(each.track == "candidate" for each in running.load.between(since, time.time()))


def test_with_postgres_frozen_it_is_held_and_comes_back_while_everything_else_is_away(
    running: Rollouts, tmp_path: Path
) -> None:
    running.to("canary")
    with paused(running.system.container("audit")):
        done = running.wait(expected=(HELD,))

    known = running.record
    assert "postgres" in done.last_line
    assert known.state is State.CANARY, "nobody is to blame"
    assert known.hold
    assert running.weight == 10

    with all_else_away(running, tmp_path) as called:
        done = running.cutover("rollback", "--why", "the desk sees stale prices", expected=(UNFINISHED,))
        since = time.time()
        time.sleep(2)

        assert "not reached: record, flags candidate, flags stable, notice" in done.last_line
        assert traffic_split(known.targets.traffic).get().weight == 0
        assert on_the_candidate(running, since) == 0
        assert not called.exists()
        assert running.record.state is State.ROLLED_BACK

    running.caught_up()
    kept = Store(RecordsBucket.of(known.targets.places)).read()
    assert kept
    assert (kept.record.state, kept.record.last.verb) == (State.ROLLED_BACK, "rollback")
    assert not (running.system.folder / ".local" / "rollout" / running.base / "journal.json").exists()


def test_what_the_runbooks_first_page_says_is_so_and_the_traffic_comes_back_while_an_update_runs(
    running: Rollouts, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "runbook.md").read_text().partition("## How to read the rest")[0]
    told = re.findall(r"```console\n\$ cutover (\S+) (.*)\n((?:.*\n)+?)```", page)
    assert [verb for verb, _, _ in told] == ["status", "rollback", "status"]
    running.to("canary")

    with updating(running, tmp_path) as update:
        for verb, words, expected in told:
            said = running.cutover(verb, *shlex.split(words.replace("-s STACK", ""))).text
            if verb == "rollback":
                assert update.poll() is None, "the update ended before the rollback did"
                since = time.time()
            lines = "".join(
                ".*\n(?:.*\n)*?" if line.strip() == "…" else _pattern(line) for line in expected.splitlines()
            )
            said = said.replace(f" {running.base}", " STACK")
            assert re.fullmatch(lines, said), f"{verb} said\n{said}\nwhere the runbook has\n{expected}"
        time.sleep(2)
        assert on_the_candidate(running, since) == 0


def _pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("…")) + "\n"


def test_a_candidate_that_hangs_is_taken_back_by_a_gate(running: Rollouts) -> None:
    running.to("canary")
    with hung(running.app):
        done = running.wait(expected=(ROLLED_BACK,))
        since = time.time()
        time.sleep(2)
        after = running.load.between(since, time.time())

    assert "the candidate has not answered twice" in done.last_line
    assert {each.track for each in after} == {"stable"}
    assert running.record.last.gate == "probe"
    assert running.weight == 0
