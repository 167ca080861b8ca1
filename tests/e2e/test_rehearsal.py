"""The rehearsal in a minute and a half: an attempt that goes through, under load. What a gate takes back is in
test_rollback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from offline.images.build import Images
from rehearsal import scenes
from rehearsal.books import Books
from rehearsal.load import Load, load
from rehearsal.operator import Operator
from rehearsal.play import Console, Play
from rehearsal.report import Report
from rehearsal.stage import CANDIDATE, CRITERIA, Stage
from tests.support.system import System

pytestmark = [pytest.mark.e2e, pytest.mark.alone]

RATE = 120.0
HOLDS = {"canary": 25, "staged": 12, "production": 6}
"""Seconds; at this rate each gate has its sample."""


@pytest.fixture(scope="module")
def play(system: System) -> Iterator[Play]:
    """A rehearsal in a clone of its own."""
    stage = Stage(machine=system.machine, images=Images().present(), holds=HOLDS, root=system.folder)
    say = Console()
    operator = Operator(root=stage.root, log=stage.root / "commands.log", say=say, environment=system.environment)
    with system.signing():
        yield Play(stage=stage, operator=operator, folder=stage.root, rate=RATE, report=Report(title="test"), say=say)


@pytest.fixture(scope="module")
def running(play: Play) -> Iterator[tuple[Load, Books]]:
    """The load and the books, on a stage that is set."""
    scenes.set_the_stage(play)
    play.stage.set(CANDIDATE, list(CRITERIA), candidate=True)
    books = Books(play.deployed(play.stage.base).places)
    with books.followed(), load(play.stage, rate=play.rate, keep=play.folder / "requests.jsonl") as clients:
        yield clients, books


def test_a_candidate_goes_through_all_phases_and_no_request_fails(play: Play, running: tuple[Load, Books]) -> None:
    scenes.prepare(play)
    scenes.carried_through(play, *running)

    assert all(finding.held for finding in play.report.acts[-1].findings), play.report.text()
