"""The verbs as a person types them: what must hold before a turn, and what stands against one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from cutover.errors import CutoverError, HeldError, RefusedError, RolledBackError, TrafficError
from cutover.gates.judgement import Judgement
from cutover.gates.result import Outcome
from cutover.rollout import controller, effects, machine
from cutover.rollout.controller import Controller
from cutover.rollout.effects import ConflictError, Effect, WriteRecord
from cutover.rollout.record import State
from tests.support.rollout_desk import ERRORS, NOW, PASSED, Desk, desk, judgement
from tests.support.rollout_world import AT, MemoryWorld, record


@pytest.mark.parametrize(
    ("state", "to", "weight"),
    [
        (State.PREPARED, State.CANARY, 10),
        (State.CANARY, State.STAGED, 50),
        (State.STAGED, State.PRODUCTION, 100),
        (State.PRODUCTION, State.FINISHING, 100),
    ],
)
def test_a_verb_writes_the_next_state_and_then_sets_its_weight(state: State, to: State, weight: int) -> None:
    made = desk(state)

    turn = made.control.rise(to, str(to))

    assert (turn.record.state, made.world.weight) == (to, weight)
    assert made.world.written == turn.record == made.world.copy
    assert made.world.told == [to]


def test_a_phase_that_has_not_passed_is_not_left() -> None:
    made = desk(State.CANARY, judgement(Outcome.INCONCLUSIVE, remaining=720))
    with pytest.raises(RefusedError, match=r"canary is to be held for another 12.0 min"):
        made.control.rise(State.STAGED, "staged")

    made.says = ERRORS
    with pytest.raises(HeldError, match=r"have not passed: 3 of 20 requests are errors"):
        made.control.rise(State.STAGED, "staged")
    assert made.world.weight == 10
    assert made.world.written
    assert made.world.written.revision == 3


def test_what_was_never_in_a_phase_has_no_gates_to_pass() -> None:
    made = desk(State.PREPARED, ERRORS)
    made.control.rise(State.CANARY, "canary")

    assert made.judged == []


def test_nothing_rises_in_a_freeze_but_for_a_reason_that_is_recorded() -> None:
    made = desk(State.CANARY)
    made.frozen = "US market hours, until 2026-11-29 21:05 UTC"
    with pytest.raises(HeldError, match="US market hours"):
        made.control.rise(State.STAGED, "staged")
    assert made.world.weight == 10

    turn = made.control.rise(State.STAGED, "staged", despite="the head of desk agrees")
    assert (turn.record.state, turn.record.last.why) == (State.STAGED, "the head of desk agrees")


RISES = pytest.mark.parametrize(
    ("state", "to"),
    [
        (State.PREPARED, State.CANARY),
        (State.CANARY, State.STAGED),
        (State.STAGED, State.PRODUCTION),
        (State.PRODUCTION, State.FINISHING),
    ],
)


@RISES
def test_nothing_rises_to_a_candidate_that_is_not_ready(state: State, to: State) -> None:
    made = desk(state)
    made.unready = "it has 2 running tasks, and stable has 4"
    weight = made.world.weight

    with pytest.raises(RefusedError, match=f"not ready for {to}: it has 2 running tasks"):
        made.control.rise(to, str(to))
    assert made.world.weight == weight
    assert made.world.written
    assert made.world.written.state is state
    assert made.control.roll_back(None).record.state is State.ROLLED_BACK


@RISES
def test_nothing_rises_while_something_leads_to_a_track_whatever_the_weights_are(state: State, to: State) -> None:
    made = desk(state)
    made.world.beside = ("a rule of listener l leads to candidate, whatever the weights are: remove it, aws …",)

    with pytest.raises(RefusedError, match="no weight may rise: a rule of listener l leads to candidate"):
        made.control.rise(to, str(to))
    assert made.world.written
    assert made.world.written.state is state
    assert made.control.roll_back(None).record.state is State.ROLLED_BACK


def test_a_weight_that_does_not_read_back_is_an_error() -> None:
    made = desk(State.CANARY)

    def loses(effect: Effect) -> None:
        if isinstance(effect, effects.Tell):
            made.world.weight = 10

    made.world.meanwhile = loses
    with pytest.raises(TrafficError, match="was given 50 %, and what routes has 10 %: look at it, cutover"):
        made.control.rise(State.STAGED, "staged")


def test_a_freeze_stands_in_no_rollbacks_way() -> None:
    made = desk(State.CANARY)
    made.frozen = "US market hours"

    assert made.control.roll_back("orders are late").record.state is State.ROLLED_BACK
    assert made.world.weight == 0


def test_who_was_overtaken_sets_nothing() -> None:
    made = desk(State.CANARY)

    def overtake(effect: Effect) -> None:
        if isinstance(effect, WriteRecord) and made.world.written and made.world.written.revision == 3:
            made.world.written = replace(made.world.written, revision=4, hold="somebody holds it")

    made.world.meanwhile = overtake
    with pytest.raises(ConflictError):
        made.control.rise(State.STAGED, "staged")
    assert made.world.weight == 10


def test_resuming_begins_the_phase_anew() -> None:
    made = desk(State.CANARY, hold="Postgres was away", extended=True, since=AT.replace(hour=3))

    resumed = made.control.resume().record

    assert (resumed.hold, resumed.extended, resumed.since) == (None, False, NOW)


STANDS: Mapping[str, Callable[[Desk], object]] = {
    "a freeze": lambda made: setattr(made, "frozen", "US market hours"),
    "a candidate that is not ready": lambda made: setattr(made, "unready", "it has no running task"),
    "another way to a track": lambda made: setattr(made.world, "beside", ("a rule leads to candidate",)),
}
VERBS: Mapping[str, Callable[[Controller], object]] = {
    **{str(to): lambda control, to=to: control.rise(to, str(to)) for to in machine.UPWARD},  # type: ignore[misc]
    "finishing": lambda control: control.finishing(),
    "finish": lambda control: control.finish(),
    "resume": lambda control: control.resume(),
    "resume --cleanup": lambda control: control.resume(cleanup=True),
    "hold": lambda control: control.hold("wait"),
    "rollback": lambda control: control.roll_back(None),
    "tick": lambda control: control.tick(),
    "sign": lambda control: control.sign(record(), "pack", ["ada"], None),
}


@pytest.mark.parametrize("says", [PASSED, ERRORS], ids=["passed", "failed"])
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("stands", STANDS)
def test_while_something_stands_against_a_rise_no_verb_raises_the_weight_in_any_state(
    stands: str, verb: str, says: Judgement
) -> None:
    for state in State:
        for weight in {0, 5, record(state).weight}:
            for hold in (None, "asked"):
                made = desk(state, says, hold=hold)
                made.world.weight = weight
                STANDS[stands](made)
                with contextlib.suppress(CutoverError):
                    VERBS[verb](made.control)

                assert made.world.weight <= weight, (state, weight, hold)


@pytest.mark.parametrize("stands", STANDS)
def test_what_stands_against_a_rise_keeps_nobody_from_resuming_at_the_weight_that_is_routed(stands: str) -> None:
    made = desk(State.STAGED, hold="Postgres was away")
    STANDS[stands](made)

    assert made.control.resume().record.hold is None
    assert made.world.weight == 50


def test_a_weight_that_fell_rises_again_when_nothing_stands_against_it_or_for_a_reason() -> None:
    made = desk(State.STAGED, hold="asked")
    made.world.weight = 0
    made.frozen = "month end, until 2026-12-01 00:00 UTC"
    with pytest.raises(HeldError, match=r"no weight may rise now: month end, .* --despite-freeze REASON goes on"):
        made.control.resume()
    assert made.world.written
    assert made.world.written.hold == "asked"

    resumed = made.control.resume(despite="the desk agrees").record
    assert (made.world.weight, resumed.last.why) == (50, "the desk agrees")
    made.world.weight, made.frozen = 0, None
    made.control.resume()
    assert made.world.weight == 50


def test_the_clean_up_is_freed_after_a_rollback_and_nothing_else_is() -> None:
    made = desk(State.CANARY)
    made.control.roll_back("late")
    assert made.world.flags["stable"].cleanup_dry_run
    assert made.world.flags["candidate"].cleanup_dry_run

    freed = made.control.resume(cleanup=True).record
    assert freed.state is State.ROLLED_BACK
    assert not made.world.flags["stable"].cleanup_dry_run
    assert not made.world.flags["candidate"].cleanup_dry_run


def test_finishing_moves_traffic_onto_a_release_that_answers_and_then_its_flags() -> None:
    made = desk(State.FINISHING)
    done: list[type[Effect]] = []
    made.world.meanwhile = lambda effect: done.append(type(effect))

    finished = made.control.finish().record

    assert (finished.state, made.world.weight) == (State.FINISHED, 0)
    assert made.world.flags["stable"].batch_promote == 1.0
    assert made.world.flags["candidate"].auto_pause == 0.0
    assert done.index(effects.SetWeight) < done.index(effects.WriteFlags)


def test_finishing_goes_on_and_has_what_routes_refuse_the_way_back_again() -> None:
    made = desk(State.FINISHING)
    made.world.weight = 50

    assert made.control.finishing().state is State.FINISHING
    assert made.world.weight == 100


def test_what_was_taken_back_is_not_finished() -> None:
    made = desk(State.FINISHING)

    def takes_back(effect: Effect) -> None:
        if isinstance(effect, effects.SetWeight) and made.world.written:
            made.world.weight = 0
            made.world.latched.add(made.world.written.id)
            made.world.written = replace(made.world.written, revision=99, state=State.ROLLED_BACK)

    made.world.meanwhile = takes_back

    with pytest.raises(RolledBackError, match="was rolled back meanwhile"):
        made.control.finishing()


def test_a_rise_that_somebody_took_back_before_it_ended_says_so() -> None:
    made = desk(State.CANARY)

    def takes_back(effect: Effect) -> None:
        if isinstance(effect, effects.KeepCopy) and made.world.written and made.world.written.state is State.STAGED:
            made.world.weight = 0
            made.world.latched.add(made.world.written.id)
            last = replace(made.world.written.last, verb="rollback", by="bob", why=None)
            made.world.written = replace(made.world.written, revision=99, state=State.ROLLED_BACK, last=last)

    made.world.meanwhile = takes_back

    with pytest.raises(RolledBackError, match="was rolled back meanwhile: rollback by bob"):
        made.control.rise(State.STAGED, "staged")
    assert made.world.weight == 0


def test_a_rollback_without_the_bucket_is_written_down_later_as_whose_it_was() -> None:
    made = desk(State.CANARY)
    made.world.away = (effects.ReadRecord, effects.WriteRecord, effects.WriteFlags, effects.Tell)

    turn = made.control.roll_back("orders are late")
    assert turn.left == ("record", "flags candidate", "flags stable", "notice")
    assert made.world.weight == 0

    made.world.away = ()
    ticked = made.control.tick()
    assert made.world.written
    assert ticked.record == made.world.written
    assert (made.world.written.last.verb, made.world.written.last.why) == ("rollback", "orders are late")
    assert made.world.journal == ()
    assert made.world.told == [State.ROLLED_BACK]


def test_a_stable_release_that_does_not_answer_gets_no_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller, "ANSWERING_SECONDS", 0.0)
    made = desk(State.FINISHING)
    made.world.answering = {"candidate"}

    with pytest.raises(CutoverError, match="cutover finish -s local goes on"):
        made.control.finish()
    assert made.world.weight == 100


def test_a_stable_release_that_cannot_take_all_of_the_traffic_gets_none() -> None:
    made = desk(State.FINISHING)
    made.unready = "it has 2 running tasks, and the candidate has 6"

    with pytest.raises(RefusedError, match="not ready for finished: it has 2 running tasks, and the candidate has 6"):
        made.control.finish()
    assert (made.world.weight, made.world.written and made.world.written.state) == (100, State.FINISHING)

    made.unready = None
    assert made.control.finish().record.state is State.FINISHED


def test_nothing_is_there_to_promote_before_a_rollout() -> None:
    made = Desk(MemoryWorld())
    with pytest.raises(RefusedError, match="there is no rollout on local"):
        made.control.rise(State.STAGED, "staged")

    assert made.control.tick().record is None
