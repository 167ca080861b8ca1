"""What a tick makes of the gates: traffic taken back, a hold and whom it tells, more time, or nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cutover.errors import HeldError
from cutover.gates.judgement import Judgement
from cutover.gates.result import Outcome
from cutover.rollout import effects
from cutover.rollout.record import State
from tests.support.rollout_desk import ERRORS, PASSED, desk, gate, judgement
from tests.support.rollout_world import record


def test_a_gate_that_failed_takes_the_traffic_back_and_is_named() -> None:
    made = desk(State.CANARY, ERRORS)

    ticked = made.control.tick()

    assert ticked.record
    assert (ticked.record.state, ticked.record.last.gate) == (State.ROLLED_BACK, "errors")
    assert ticked.record.last.why == "3 of 20 requests are errors"
    assert made.world.weight == 0
    assert made.world.told == [State.ROLLED_BACK]


def test_a_gate_that_failed_takes_the_traffic_back_while_nobody_can_read_what_routes() -> None:
    made = desk(State.STAGED, ERRORS)
    made.world.away = (effects.ReadWeight,)

    ticked = made.control.tick()

    assert ticked.record
    assert (ticked.record.state, ticked.left) == (State.ROLLED_BACK, ("weight",))
    assert (made.world.weight, made.world.told) == (0, [State.ROLLED_BACK])


@pytest.mark.parametrize(
    "says",
    [
        judgement(Outcome.FAILED, gate(Outcome.FAILED, on="hold"), remaining=900),
        judgement(Outcome.SHARED, gate(Outcome.SHARED), remaining=900),
        judgement(Outcome.NO_DATA, remaining=900),
    ],
)
def test_what_is_not_the_candidates_fault_holds(says: Judgement) -> None:
    made = desk(State.STAGED, says)

    ticked = made.control.tick()

    assert ticked.record
    assert (ticked.record.state, ticked.record.hold) == (State.STAGED, says.why)
    assert made.world.weight == 50
    assert made.world.told == [State.STAGED]
    made.control.tick()
    assert made.world.told == [State.STAGED], "once, not each minute"
    with pytest.raises(HeldError, match="is held in staged"):
        made.control.rise(State.PRODUCTION, "production")


def test_too_little_traffic_extends_once_and_then_holds() -> None:
    made = desk(State.CANARY, judgement(Outcome.INCONCLUSIVE))

    first = made.control.tick().record
    assert first
    assert (first.extended, first.hold) == (True, None)
    second = made.control.tick().record
    assert second
    assert second.hold == "all together: inconclusive"


def test_a_tick_writes_nothing_while_all_goes_on() -> None:
    made = desk(State.CANARY, judgement(Outcome.INCONCLUSIVE, remaining=900))
    made.control.tick()
    made.says = PASSED
    made.control.tick()

    assert made.world.written
    assert made.world.written.revision == 3


def test_a_held_rollout_is_still_taken_back_and_is_not_held_again() -> None:
    made = desk(State.CANARY, judgement(Outcome.SHARED), hold="the desk asks to wait")
    made.control.tick()
    assert made.world.written
    assert made.world.written.hold == "the desk asks to wait"

    made.says = ERRORS
    made.control.tick()
    assert made.world.weight == 0


def test_over_a_one_way_migration_a_failed_gate_holds() -> None:
    known = record(State.STAGED)
    made = desk(State.STAGED, ERRORS, releases=replace(known.releases, one_way="007_drop.sql"))

    assert made.control.tick().record
    assert made.world.written
    assert (made.world.written.state, made.world.written.hold) == (State.STAGED, "3 of 20 requests are errors")


def test_people_are_told_of_a_hold_of_each_reason_more_and_of_its_end() -> None:
    made = desk(State.CANARY)
    told: list[str | None] = []
    made.world.meanwhile = lambda effect: told.append(effect.record.hold) if isinstance(effect, effects.Tell) else None

    made.control.hold("orders are late")
    made.control.hold("the desk asks to wait")
    made.control.hold("orders are late")
    made.control.resume()
    made.control.resume()

    assert told == ["orders are late", "orders are late; ada: the desk asks to wait", None]


def test_a_hold_that_nobody_was_told_of_is_told_by_the_next_tick() -> None:
    made = desk(State.CANARY, judgement(Outcome.NO_DATA))
    made.world.away = (effects.Tell,)
    assert made.control.tick().left == ("notice",)
    made.world.away = ()

    assert made.control.tick().left == ()
    assert made.world.told == [State.CANARY]
