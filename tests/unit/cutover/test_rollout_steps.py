"""The verbs step by step: what comes first, what is done where something is away, and what the journal says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cutover.errors import CutoverError, RefusedError, TrafficError, UnreachableError
from cutover.rollout import effects, machine, steps, way_back
from cutover.rollout.effects import ConflictError, Effect, Run
from cutover.rollout.record import Last, Record, State
from cutover.rollout.world import mark_of
from cutover.traffic.split import Mark, Share
from tests.support.rollout_world import AT, MemoryWorld, record

LAST, LATER = Last(by="ada@desk", verb="test"), AT + timedelta(hours=1)
BUCKET = (effects.ReadRecord, effects.WriteRecord)
DISK = (effects.KeepCopy, effects.WriteDown)


def world(state: State = State.CANARY, **other: Any) -> MemoryWorld:
    """The state in force, known on this machine."""
    known = record(state)
    flags = {track: known.flags(track) for track in steps.TRACKS}
    return MemoryWorld(**{"written": known, "copy": known, "weight": known.weight, "flags": flags, **other})


def roll_back(where: MemoryWorld, *, anyway: bool = False) -> tuple[steps.Turn, list[type[Effect]]]:
    run = Run(where)
    turn = run(way_back.roll_back(LAST, LATER, anyway=anyway))
    return turn, [type(effect) for effect in run.done]


def tick(where: MemoryWorld) -> Record | None:
    return Run(where)(way_back.catch_up(LATER, LAST))


def rise(where: MemoryWorld, to: State = State.STAGED) -> steps.Turn:
    return Run(where)(steps.change(lambda now: machine.risen(now, to, LAST, LATER)))


@pytest.mark.parametrize("state", [State.PREPARED, State.CANARY, State.STAGED, State.PRODUCTION])
def test_a_rollback_asks_nobody_but_this_machine_and_the_edge_before_the_traffic_is_back(state: State) -> None:
    made = world(state)

    turn, done = roll_back(made)

    before = done[: done.index(effects.TakeBack)]
    assert set(before) <= {effects.ReadWeight, effects.ReadCopy, effects.Answers}
    assert done.index(effects.TakeBack) < done.index(effects.WriteRecord) < done.index(effects.WriteFlags)
    assert (made.weight, turn.left, made.journal) == (0, (), ())
    assert made.written == turn.record == made.copy
    assert turn.record.state is State.ROLLED_BACK
    assert made.told == [State.ROLLED_BACK]
    assert {made.flags[track].cleanup_dry_run for track in steps.TRACKS} == {True}


@pytest.mark.parametrize(
    ("away", "left"),
    [
        (BUCKET, ("record",)),
        ((effects.WriteFlags,), ("flags candidate", "flags stable")),
        ((effects.Tell,), ("notice",)),
        ((*BUCKET, effects.WriteFlags, effects.Tell), ("record", "flags candidate", "flags stable", "notice")),
    ],
)
def test_what_a_rollback_cannot_reach_is_in_the_journal_and_a_tick_goes_on_with_it(
    away: tuple[type[Effect], ...], left: tuple[str, ...]
) -> None:
    made = world(away=away)

    turn, _ = roll_back(made)

    assert (made.weight, turn.left, made.journal) == (0, left, left)
    assert made.copy is not None
    assert (made.copy.state, made.copy.last) == (State.ROLLED_BACK, LAST)
    made.away = ()
    assert tick(made)
    assert made.written is not None
    assert (made.written.state, made.journal) == (State.ROLLED_BACK, ())
    assert made.flags == {track: made.written.flags(track) for track in steps.TRACKS}
    assert set(made.told) == {State.ROLLED_BACK}


@pytest.mark.parametrize("unreadable", [False, True])
def test_a_rollback_without_copy_and_bucket_says_so(unreadable: bool) -> None:
    with pytest.raises(UnreachableError):
        roll_back(world(copy=None, away=() if unreadable else BUCKET, unreadable=unreadable))


def test_a_record_that_cannot_be_read_stands_in_no_rollbacks_way() -> None:
    made = world(unreadable=True)

    turn, _ = roll_back(made)

    assert (made.weight, turn.left, made.journal) == (0, ("record",), ("record",))
    assert made.copy == turn.record
    assert made.flags == {track: turn.record.flags(track) for track in steps.TRACKS}
    assert made.told == [State.ROLLED_BACK]


def test_a_full_disk_stands_in_no_rollbacks_way_and_is_told() -> None:
    made = world(away=DISK)

    turn, _ = roll_back(made)

    assert (made.weight, turn.left, made.written) == (0, ("copy", "journal"), turn.record)
    assert made.flags == {track: turn.record.flags(track) for track in steps.TRACKS}
    assert made.told == [State.ROLLED_BACK]


def test_a_full_disk_stops_no_tick_and_no_rise() -> None:
    made = world(weight=50, away=DISK)
    assert tick(made) == made.written
    assert made.weight == 10

    assert rise(made).left == ("copy", "journal")
    assert made.weight == 50


def test_a_rollback_without_a_rollout_is_refused_by_name() -> None:
    with pytest.raises(RefusedError, match="there is no rollout: begin one, cutover canary"):
        roll_back(MemoryWorld())


@pytest.mark.parametrize("copy", [None, record(State.FINISHING), record(State.ROLLED_BACK), record(State.FINISHED)])
def test_a_copy_that_is_none_of_a_running_rollout_is_asked_of_the_bucket(copy: Record | None) -> None:
    made = world(State.STAGED, copy=copy)

    assert roll_back(made)[0].record.state is State.ROLLED_BACK
    assert made.weight == 0


def test_a_copy_of_the_rollout_before_is_not_what_is_taken_back() -> None:
    old, now = record(State.CANARY), record(State.STAGED, id="r9", revision=9)
    made = marked(world(written=now, copy=old), 50, Mark(rollout="r9", revision=9))

    roll_back(made)

    assert made.latched == {"r9"}
    assert made.written
    assert (made.written.id, made.written.state) == ("r9", State.ROLLED_BACK)


def test_a_rollout_that_only_the_bucket_knows_is_taken_back_too() -> None:
    made = world(written=record(State.STAGED, id="r9", revision=9), copy=record(State.CANARY))

    roll_back(made)

    assert made.latched == {record().id, "r9"}
    assert made.written
    assert (made.written.id, made.written.state) == ("r9", State.ROLLED_BACK)


def marked(made: MemoryWorld, weight: int, mark: Mark) -> MemoryWorld:
    """The world, in which what routes has a mark."""
    do = made.do
    share = Share(weight=weight, mark=mark)
    made.do = lambda effect: share if isinstance(effect, effects.ReadWeight) else do(effect)  # type: ignore[method-assign]
    return made


def test_what_is_finishing_is_taken_back_only_after_a_person_has_taken_the_traffic() -> None:
    made = world(State.FINISHING)
    with pytest.raises(RefusedError, match=r"cutover finish -s local goes on\. While stable runs 1\.5\.0 still"):
        roll_back(made)
    assert made.weight == 100

    made.weight = 0
    assert roll_back(made)[0].record.state is State.ROLLED_BACK


@pytest.mark.parametrize("away", [(), BUCKET])
def test_a_rollout_that_was_finished_elsewhere_is_not_taken_back_by_an_old_copy(away: tuple[type[Effect], ...]) -> None:
    done = record(State.FINISHED, revision=9)
    made = marked(world(State.PRODUCTION, written=done, weight=0, flags={}, away=away), 0, mark_of(done))

    with pytest.raises(UnreachableError if away else RefusedError):
        roll_back(made)
    assert (made.flags, made.latched) == ({}, set())


def test_a_share_of_a_rollout_that_neither_copy_nor_bucket_knows_is_left_to_who_knows_no_rollout() -> None:
    made = marked(world(State.FINISHED, away=BUCKET), 50, Mark(rollout="r9", revision=9))

    with pytest.raises(UnreachableError):
        roll_back(made)


def test_a_split_that_cannot_be_read_is_taken_back_all_the_same() -> None:
    made = world(away=(effects.ReadWeight,))
    made.meanwhile = lambda effect: setattr(made, "away", ()) if isinstance(effect, effects.TakeBack) else None

    assert roll_back(made)[0].record.state is State.ROLLED_BACK
    assert made.weight == 0


def test_a_split_that_cannot_be_set_leaves_record_and_flags() -> None:
    made = world(away=(effects.TakeBack,))
    before = replace(made)

    with pytest.raises(TrafficError):
        roll_back(made)
    assert (made.written, made.flags, made.journal) == (before.written, before.flags, ())


def test_traffic_is_not_taken_to_a_stable_that_is_not_there_but_anyway() -> None:
    made = world(answering={"candidate"})
    with pytest.raises(RefusedError, match=r"stable \(1\.5\.0\) does not answer and the candidate does.*--anyway"):
        roll_back(made)
    assert (made.weight, made.latched) == (10, set())

    roll_back(made, anyway=True)
    assert made.weight == 0


@pytest.mark.parametrize(("answering", "state"), [(set(), State.CANARY), ({"candidate"}, State.PREPARED)])
def test_where_neither_answers_or_nothing_routes_there_stable_is_not_asked_for(
    answering: set[Any], state: State
) -> None:
    assert roll_back(world(state, answering=answering))[0].record.state is State.ROLLED_BACK


def test_a_stable_of_which_nothing_can_be_said_stands_in_no_rollbacks_way() -> None:
    made = world()
    do = made.do
    made.do = lambda effect: None if effect == effects.Answers("stable") else do(effect)  # type: ignore[method-assign]

    assert roll_back(made)[0].record.state is State.ROLLED_BACK


def test_a_second_rollback_without_the_bucket_is_as_the_first() -> None:
    made = world(away=BUCKET)
    first, second = roll_back(made)[0], roll_back(made)[0]

    assert first == second
    assert second.left == ("record",)


def overtaking(made: MemoryWorld, times: int) -> Callable[[Effect], object]:
    """Somebody who holds the rollout just before each of the first writes."""
    writes: list[Effect] = []

    def meanwhile(effect: Effect) -> None:
        if isinstance(effect, effects.WriteRecord) and len(writes) < times and made.written:
            writes.append(effect)
            made.written = replace(made.written, revision=made.written.revision + 1, hold="somebody")

    return meanwhile


@pytest.mark.parametrize(("times", "left"), [(1, ()), (way_back.TRIES - 1, ()), (way_back.TRIES, ("record",))])
def test_a_rollback_is_written_over_whoever_was_quicker(times: int, left: tuple[str, ...]) -> None:
    made = world()
    made.meanwhile = overtaking(made, times)

    turn, _ = roll_back(made)

    assert (made.weight, turn.left) == (0, left)
    tick(made)
    assert made.written
    assert made.written.state is State.ROLLED_BACK


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


def test_on_the_way_back_tasks_are_let_go_after_the_traffic() -> None:
    made = world(kept=True)
    _, done = roll_back(made)

    assert done.index(effects.TakeBack) < done.index(effects.KeepTasks)
    assert made.kept is False


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
