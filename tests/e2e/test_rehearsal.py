"""The rehearsal in a minute and a half: an attempt that a gate takes back, and one that goes through, under load."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from offline.images.build import Images
from rehearsal import scenes
from rehearsal.books import Books
from rehearsal.load import Load, load
from rehearsal.operator import Operator
from rehearsal.play import Console, Play
from rehearsal.report import Report
from rehearsal.stage import Stage
from tests.support.system import System

pytestmark = pytest.mark.e2e

RATE = 200.0
HOLDS = {"canary": 20, "staged": 12, "production": 8}
"""Seconds; at this rate each gate has its sample."""


@pytest.fixture(scope="module")
def play(system: System) -> Play:
    """A rehearsal in a clone of its own."""
    stage = Stage(machine=system.machine, images=Images().present(), holds=HOLDS, root=system.folder)
    say = Console()
    operator = Operator(root=stage.root, log=stage.root / "commands.log", say=say, environment=system.environment)
    return Play(stage=stage, operator=operator, folder=stage.root, rate=RATE, report=Report(title="test"), say=say)


@pytest.fixture(scope="module")
def running(play: Play) -> Iterator[tuple[Load, Books]]:
    """The load and the books, on a stage that is set."""
    scenes.set_the_stage(play)
    books = Books(play.deployed(play.stage.base).places)
    with books.followed(), load(play.stage, rate=play.rate, keep=play.folder / "requests.jsonl") as clients:
        yield clients, books


@pytest.mark.parametrize("scene", [scenes.taken_back, scenes.carried_through])
def test_what_the_rehearsal_declares_holds(
    play: Play, running: tuple[Load, Books], scene: Callable[[Play, Load, Books], None]
) -> None:
    scene(play, *running)

    assert all(finding.held for finding in play.report.acts[-1].findings), play.report.text()
