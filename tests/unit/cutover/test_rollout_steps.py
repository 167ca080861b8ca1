"""Rises and ticks step by step: what comes first, what is done where something is away, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cutover.errors import CutoverError, RefusedError, UnreachableError
from cutover.rollout import effects, machine, steps, way_back
from cutover.rollout.effects import ConflictError, Effect, Run
from cutover.rollout.record import Last, Record, State
from tests.support.rollout_turns import BUCKET, DISK, LAST, LATER, overtaking, rise, roll_back, tick, world
from tests.support.rollout_world import MemoryWorld, record


def test_a_full_disk_stops_no_tick_and_no_rise() -> None:
    made = world(weight=50, away=DISK)
    assert tick(made) == made.written
    assert made.weight == 10

    assert rise(made).left == ("copy", "journal")
    assert made.weight == 50


def test_a_tick_that_sees_the_rollback_before_its_record_does_not_take_its_name() -> None:
    for copy in (record(State.CANARY), None):
        made = world(latched={record().id})

        def watch(effect: Effect, made: MemoryWorld = made, copy: Record | None = copy) -> None:
            if isinstance(effect, effects.WriteRecord):
                made.meanwhile = lambda _effect: None
                own, made.copy = made.copy, copy
                Run(made)(way_back.catch_up(LATER, Last(by="watch", verb="tick")))
                made.copy = own

        made.meanwhile = watch
        turn, _ = roll_back(made)
        assert made.written == turn.record == made.copy
        assert (turn.record.state, turn.record.last) == (State.ROLLED_BACK, LAST)


def test_who_is_too_late_with_any_other_verb_is_told() -> None:
    made = world()
    made.meanwhile = overtaking(made, 1)

    with pytest.raises(ConflictError):
        rise(made)
    assert made.weight == 10


def test_who_went_on_meanwhile_is_followed_downward() -> None:
    made = world()

    def takes_back(effect: Effect) -> None:
        if effect == effects.WriteFlags("stable", made.flags["stable"]) and made.written:
            made.weight, made.written = 50, machine.rolled_back(made.written, LAST, LATER)

    made.meanwhile = takes_back
    turn = rise(made)

    assert (turn.record.state, made.weight, made.copy) == (State.ROLLED_BACK, 0, made.written)
    assert made.flags["candidate"].auto_pause == 0.0


def test_on_a_rise_flags_and_that_tasks_are_kept_come_before_the_traffic() -> None:
    made, run = world(), Run(world())
    run.world = made
    run(steps.change(lambda now: machine.risen(now, State.STAGED, LAST, LATER)))
    done = [type(effect) for effect in run.done]

    assert done.index(effects.WriteRecord) < done.index(effects.WriteFlags) < done.index(effects.SetWeight)
    assert done.index(effects.WriteRecord) < done.index(effects.KeepTasks) < done.index(effects.SetWeight)
    assert (made.weight, made.flags["candidate"].auto_pause, made.kept) == (50, 0.5, True)


def test_tasks_that_cannot_be_kept_stop_a_rise_and_no_way_back() -> None:
    made = world(away=(effects.KeepTasks,))
    with pytest.raises(UnreachableError, match="the weight is as it was: cutover resume -s local puts it in force"):
        rise(made)
    assert made.weight == 10

    turn, _ = roll_back(made)
    assert (made.weight, turn.left, made.journal) == (0, ("tasks",), ("tasks",))
    made.away = ()
    assert tick(made)
    assert made.journal == ()


def test_the_weight_does_not_rise_without_its_flags_and_resume_goes_on() -> None:
    made = world(away=(effects.WriteFlags,))
    with pytest.raises(UnreachableError, match="the weight is as it was: cutover resume -s local puts it in force"):
        rise(made)
    assert made.weight == 10

    made.away = ()
    assert tick(made)
    assert made.weight == 10
    Run(made)(steps.change(lambda now: machine.resumed(now, LAST, LATER), anew=True))
    assert made.weight == 50


@pytest.mark.parametrize(
    "turn",
    [
        lambda now: machine.held(now, "asked for", LAST),
        lambda now: machine.extended(now, LAST),
        lambda now: machine.cleaning(now, LAST),
    ],
)
def test_what_begins_no_state_only_lowers_the_weight(turn: Callable[[Record], Record]) -> None:
    for weight, after in ((0, 0), (50, 10)):
        made = world(weight=weight)
        Run(made)(steps.change(turn))
        assert made.weight == after


@pytest.mark.parametrize(("weight", "after"), [(0, 0), (10, 10), (50, 10)])
def test_a_tick_lowers_the_weight_to_the_records_and_never_raises_it(weight: int, after: int) -> None:
    made = world(weight=weight, flags={})

    assert tick(made) == made.written
    assert made.weight == after
    assert made.flags["candidate"].auto_pause == 0.1


@pytest.mark.parametrize("trouble", [{"away": BUCKET}, {"unreadable": True}])
def test_a_tick_without_copy_and_record_does_not_say_that_there_is_no_rollout(trouble: dict[str, Any]) -> None:
    with pytest.raises(CutoverError):
        tick(world(copy=None, **trouble))


@pytest.mark.parametrize("trouble", [{"away": BUCKET}, {"unreadable": True}])
def test_a_tick_without_the_bucket_has_the_copy_and_changes_nothing(trouble: dict[str, Any]) -> None:
    made = world(weight=50, flags={}, **trouble)

    assert tick(made) == made.copy
    assert (made.weight, made.flags) == (50, {})


@pytest.mark.parametrize("journal", [(), ("record", "notice")])
def test_a_tick_that_cannot_read_what_routes_changes_nothing_and_writes_that_down(journal: tuple[str, ...]) -> None:
    """What runs may have been taken back meanwhile, and its flags with it."""
    made = world(weight=50, flags={}, journal=journal, away=(effects.ReadWeight,))

    assert tick(made) == tick(made) == made.written
    assert (made.weight, made.flags, made.told, made.journal) == (50, {}, [], (*journal, "weight"))


@pytest.mark.parametrize("away", [effects.ReadWeight, effects.SetWeight])
def test_a_hold_whose_weight_cannot_be_lowered_is_told_and_a_tick_lowers_it(away: type[Effect]) -> None:
    made = world(weight=50, flags={}, away=(away,))

    turn = Run(made)(steps.change(lambda now: machine.held(now, "orders are late", LAST)))
    assert (turn.left, made.journal, made.told) == (("weight",), ("weight",), [State.CANARY])
    assert (made.weight, made.flags) == (50, {})

    made.away = ()
    tick(made)
    assert (made.weight, made.journal) == (10, ())
    assert made.flags == {track: turn.record.flags(track) for track in steps.TRACKS}


def test_a_tick_before_the_first_rollout_has_nothing_to_do() -> None:
    assert tick(MemoryWorld()) is None


def test_a_tick_writes_down_what_the_edge_has_as_taken_back_in_the_name_of_who_did_it() -> None:
    for copy, by in ((machine.rolled_back(record(State.CANARY), LAST, LATER), "ada@desk"), (None, "watch")):
        made = world(copy=copy, weight=0, latched={record().id})
        back = Run(made)(way_back.catch_up(LATER, Last(by="watch", verb="tick")))
        assert back == made.written
        assert back
        assert (back.state, back.last.by, made.told) == (State.ROLLED_BACK, by, [State.ROLLED_BACK])


def test_after_a_rollback_the_record_drains_until_nothing_is_left_and_again_where_something_is() -> None:
    made = world(accepted=3)
    roll_back(made)
    for accepted, drains in ((3, True), (0, False), (0, False), (1, True), (0, False)):
        made.accepted = accepted
        tick(made)
        assert made.written
        assert made.written.draining is drains
        assert made.flags["candidate"].alerts_consume


def test_what_cannot_be_asked_may_have_something_left() -> None:
    made = world(away=(effects.Accepted,))
    roll_back(made)
    tick(made)

    assert made.written
    assert made.written.draining


def test_a_beginning_is_prepared_at_weight_0_and_waits_for_the_one_that_runs() -> None:
    made = MemoryWorld(weight=10)
    begun = Run(made)(steps.begin(record()))
    assert (made.weight, made.written, made.copy) == (0, begun.record, begun.record)
    assert made.flags == {track: begun.record.flags(track) for track in steps.TRACKS}

    with pytest.raises(RefusedError, match="is prepared: finish it or roll it back first"):
        Run(made)(steps.begin(record(id="next")))
    assert made.written == begun.record


def test_finishing_moves_the_traffic_onto_stable_and_then_the_flags() -> None:
    made = world(State.FINISHING)
    run = Run(made)
    run(steps.change(lambda now: machine.finished(now, LAST, LATER)))
    done = [type(effect) for effect in run.done]

    assert done.index(effects.SetWeight) < done.index(effects.WriteFlags)
    assert done.index(effects.SetWeight) < done.index(effects.KeepTasks)
    assert (made.weight, made.flags["stable"].batch_promote, made.flags["candidate"].auto_pause) == (0, 1.0, 0.0)


def test_a_rise_of_what_was_taken_back_is_refused_as_the_edge_says() -> None:
    made = world(weight=0, latched={record().id})

    with pytest.raises(RefusedError, match="it was taken back"):
        rise(made)
    assert made.weight == 0
