"""A rollback step by step: what comes first, what is done where something is away, and what the journal says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cutover.errors import RefusedError, TrafficError, UnreachableError
from cutover.rollout import effects, steps, way_back
from cutover.rollout.effects import Effect
from cutover.rollout.record import Record, State
from cutover.rollout.world import mark_of
from cutover.traffic.split import Mark, Share
from tests.support.rollout_turns import BUCKET, DISK, LAST, overtaking, roll_back, tick, world
from tests.support.rollout_world import MemoryWorld, record


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


def unread_after(kind: type[Effect], made: MemoryWorld) -> MemoryWorld:
    """The world, in which nobody can read what routes from the first effect of a kind on."""

    def meanwhile(effect: Effect) -> None:
        if isinstance(effect, kind):
            made.away = (effects.ReadWeight,)

    made.meanwhile = meanwhile
    return made


def test_a_split_that_cannot_be_read_after_the_traffic_is_back_ends_no_rollback_half_done() -> None:
    made = unread_after(effects.TakeBack, world(State.PRODUCTION))

    turn, _ = roll_back(made)

    assert (made.weight, turn.left, made.journal) == (0, ("weight",), ("weight",))
    assert made.written == turn.record == made.copy
    assert made.flags == {track: turn.record.flags(track) for track in steps.TRACKS}
    assert {flags.cleanup_dry_run for flags in made.flags.values()} == {True}
    assert made.told == [State.ROLLED_BACK]
    made.away, made.meanwhile = (), lambda _effect: None
    tick(made)
    assert (made.journal, made.told) == ((), [State.ROLLED_BACK])


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


ONE_WAY = replace(record().releases, one_way="007_drop.sql")


def test_over_a_one_way_migration_nothing_is_taken_from_a_candidate_with_traffic_whatever_is_known_here() -> None:
    now = record(State.CANARY, releases=ONE_WAY)
    for known in (now, replace(now, state=State.PREPARED, revision=now.revision - 1)):
        made = world(written=now, copy=known)
        with pytest.raises(RefusedError, match=r"has no way back: 1\.5\.0 does not survive 007_drop\.sql"):
            roll_back(made)
        assert (made.weight, made.written) == (10, now)


def test_over_a_one_way_migration_a_candidate_that_nobody_has_approved_goes_again() -> None:
    made = world(written=(prepared := record(State.PREPARED, releases=ONE_WAY)), copy=prepared, weight=0)

    assert roll_back(made)[0].record.state is State.ROLLED_BACK


def test_over_a_one_way_migration_what_was_taken_back_by_hand_is_written_down_by_a_tick() -> None:
    canary = record(State.CANARY, releases=ONE_WAY)
    made = world(written=canary, copy=canary, weight=0, latched={canary.id}, accepted=3)

    after = tick(made)
    assert after
    assert made.written == after
    assert (after.state, after.draining) == (State.ROLLED_BACK, True)


@pytest.mark.parametrize(("times", "left"), [(1, ()), (way_back.TRIES - 1, ()), (way_back.TRIES, ("record",))])
def test_a_rollback_is_written_over_whoever_was_quicker(times: int, left: tuple[str, ...]) -> None:
    made = world()
    made.meanwhile = overtaking(made, times)

    turn, _ = roll_back(made)

    assert (made.weight, turn.left) == (0, left)
    tick(made)
    assert made.written
    assert made.written.state is State.ROLLED_BACK


def test_on_the_way_back_tasks_are_let_go_after_the_traffic() -> None:
    made = world(kept=True)
    _, done = roll_back(made)

    assert done.index(effects.TakeBack) < done.index(effects.KeepTasks)
    assert made.kept is False
