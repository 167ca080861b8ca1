"""A share without a record that can be read is told, and taken back; what cannot be written down is said."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer

from cutover.commands.app import main
from cutover.commands.command import one_line
from cutover.errors import CutoverError, NoRolloutError, RefusedError, UnfinishedError, UnreachableError
from cutover.rollout import effects, opening, unrecorded
from tests.support.rollout_world import MemoryWorld

BUCKET = (effects.ReadRecord, effects.WriteRecord)
NONE, AWAY = NoRolloutError("there is no rollout on local"), UnreachableError("the records bucket does not answer")
OTHER = CutoverError("rollout.json is no rollout record")


class Control:
    """What a command opens: a world without a rollout, or whose bucket is away."""

    stack = "local"

    def __init__(self, world: MemoryWorld, none: Exception) -> None:
        self.world, self._none = world, none

    def roll_back(self, _why: str | None, *, anyway: bool = False) -> None:
        raise self._none


def typed(monkeypatch: pytest.MonkeyPatch, world: MemoryWorld, none: Exception, *words: str) -> int:
    def shown(_control: Any) -> None:
        raise none

    monkeypatch.setattr(opening, "opened", lambda _stack, **_: Control(world, none))
    monkeypatch.setattr(opening, "shown", shown)
    return main([*words, "-s", "local"])


def test_a_share_set_by_hand_is_taken_back_without_a_rollout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = MemoryWorld(weight=10)

    assert typed(monkeypatch, world, NONE, "rollback") == 0
    assert world.weight == 0
    assert "local: the candidate had 10 % by hand, and has none now" in capsys.readouterr().out


def test_without_bucket_and_copy_the_traffic_is_taken_back_and_it_is_said_that_nobody_wrote_it_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = MemoryWorld(weight=50)

    assert typed(monkeypatch, world, AWAY, "rollback") == UnfinishedError.exit_code
    assert world.weight == 0
    said = capsys.readouterr().err
    assert "the candidate had 50 % of local and has none now; nobody has written that down" in said
    assert "cutover tick -s local" in said


@pytest.mark.parametrize(
    ("world", "none", "code"),
    [
        (MemoryWorld(), NONE, 13),
        (MemoryWorld(), AWAY, 8),
        (MemoryWorld(weight=10, away=(effects.ReadWeight,)), NONE, 13),
        (MemoryWorld(weight=10, answering={"candidate"}), AWAY, 13),
    ],
    ids=["no share", "no share, bucket away", "the split cannot be read", "stable does not answer"],
)
def test_what_leads_nowhere_is_refused_and_stays(
    monkeypatch: pytest.MonkeyPatch, world: MemoryWorld, none: Exception, code: int
) -> None:
    before = world.weight

    assert typed(monkeypatch, world, none, "rollback") == code
    assert world.weight == before


def test_onto_a_stable_that_does_not_answer_it_goes_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    world = MemoryWorld(weight=10, answering={"candidate"})

    assert typed(monkeypatch, world, NONE, "rollback", "--anyway") == 0
    assert world.weight == 0


@pytest.mark.parametrize(("none", "code"), [(NONE, 13), (AWAY, 8), (OTHER, 1)])
def test_status_without_a_record_says_what_routes_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], none: Exception, code: int
) -> None:
    assert typed(monkeypatch, MemoryWorld(weight=10), none, "status") == code
    assert (
        f"the candidate has 10 % of local, set by hand; cutover rollback -s local takes it back; {none}"
        in capsys.readouterr().err
    )
    assert typed(monkeypatch, MemoryWorld(), none, "status") == code
    assert capsys.readouterr().err.strip() == f"cutover: {none}"


def test_machines_get_what_routes_without_a_record_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, MemoryWorld(weight=10), NONE, "status", "--json") == 13
    assert json.loads(capsys.readouterr().out)["routes"]["weight"] == 10
    away = MemoryWorld(away=(effects.ReadWeight,))
    assert typed(monkeypatch, away, NONE, "status", "--json") == 13
    assert json.loads(capsys.readouterr().out)["routes"]["unread"] == "the edge is away"


def test_the_split_says_which_rollout_it_is_that_cannot_be_read() -> None:
    class Marked(MemoryWorld):
        def do(self, effect: effects.Effect) -> Any:
            from cutover.traffic.split import Mark, Share

            if isinstance(effect, effects.ReadWeight):
                return Share(weight=10, mark=Mark(rollout="r1", revision=3))
            return super().do(effect)

    said = unrecorded.said(Marked(), "local", AWAY)

    assert isinstance(said, UnreachableError)
    assert "the candidate has 10 % of local, set by rollout r1" in str(said)


@pytest.mark.parametrize("verb", [["hold"], ["rollback", "--why"], ["canary", "--unsigned"], ["rollback", "--by"]])
def test_an_empty_reason_is_wrong_usage(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*verb, " \n ", "-s", "local"]) == 2
    assert "it is empty: say it in some words" in capsys.readouterr().err


def test_a_reason_is_one_line_and_moves_no_cursor() -> None:
    assert one_line('a "q"\nnewline \x1b[31mred\r') == 'a "q" newline [31mred'
    with pytest.raises(typer.BadParameter):
        one_line("\x1b")


def test_a_refusal_is_of_its_kind() -> None:
    assert NoRolloutError.exit_code == RefusedError.exit_code == 13
