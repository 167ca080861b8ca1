"""The state machine: each transition, each refusal by name, and what weight and flags follow from each state."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cutover.errors import HeldError, RefusedError
from cutover.rollout import machine
from cutover.rollout.phases import FlagValues
from cutover.rollout.record import Last, Record, State
from tests.support.rollout_world import AT, record

LAST, LATER = Last(by="ada@desk", verb="test"), AT + timedelta(hours=1)
REAL = replace(record().releases, stable=replace(record().releases.stable, adapters={"queue": "production"}))
ONE_WAY = replace(record().releases, one_way="007_drop.sql")

TURNS: Mapping[str, Callable[[Record], Record]] = {
    "begin": lambda now: machine.begun(now, replace(record(), id="next", revision=1)),
    "canary": lambda now: machine.risen(now, State.CANARY, LAST, LATER),
    "staged": lambda now: machine.risen(now, State.STAGED, LAST, LATER),
    "production": lambda now: machine.risen(now, State.PRODUCTION, LAST, LATER),
    "finish": lambda now: machine.risen(now, State.FINISHING, LAST, LATER),
    "finished": lambda now: machine.finished(now, LAST, LATER),
    "rollback": lambda now: machine.rolled_back(now, LAST, LATER),
    "hold": lambda now: machine.held(now, "asked for", LAST),
    "resume": lambda now: machine.resumed(now, LAST, LATER),
    "flags": lambda now: machine.flagged(now, LAST, auto_pause=0.0),
}
ALLOWED: Mapping[State, Mapping[str, State]] = {
    State.PREPARED: {"canary": State.CANARY},
    State.CANARY: {"staged": State.STAGED},
    State.STAGED: {"production": State.PRODUCTION},
    State.PRODUCTION: {"finish": State.FINISHING},
    State.FINISHING: {"finished": State.FINISHED},
    State.FINISHED: {"begin": State.PREPARED},
    State.ROLLED_BACK: {"begin": State.PREPARED},
}
WAY_BACK = (State.PREPARED, State.CANARY, State.STAGED, State.PRODUCTION, State.ROLLED_BACK)
REFUSED: Mapping[str, str] = {
    "begin": r"of 1\.5\.1 is \w+: finish it (or roll it back first, cutover status|first, cutover finish) -s local",
    "canary": r"and canary follows prepared: (cutover \w+ -s local is next|begin with cutover canary -s local)",
    "staged": r"and staged follows canary: (cutover \w+ -s local is next|begin with cutover canary -s local)",
    "production": r"and production follows staged: (cutover \w+ -s local is next|begin with cutover canary -s local)",
    "finish": r"and finish follows production: (cutover \w+ -s local is next|begin with cutover canary -s local)",
    "finished": "only one that is finishing can be finished",
    "rollback": r"1\.5\.1 is stable's own release now, and there is no way back|cutover finish -s local goes on",
    "hold": "there is nothing to hold",
    "resume": "there is nothing to resume",
    "flags": r"stable's flags are changed once it is over: finish it (or roll it back )?first",
}


def allowed(state: State) -> Mapping[str, State]:
    stays = {"hold": state, "resume": state} if state.running else {"flags": state}
    back = {"rollback": State.ROLLED_BACK} if state in WAY_BACK else {}
    return {**ALLOWED[state], **stays, **back}


@pytest.mark.parametrize("verb", TURNS)
@pytest.mark.parametrize("state", State)
def test_a_verb_leads_to_the_next_state_or_is_refused_by_name(state: State, verb: str) -> None:
    before, to = record(state), allowed(state).get(verb)
    if to is None:
        with pytest.raises(RefusedError, match=REFUSED[verb]):
            TURNS[verb](before)
        return

    after = TURNS[verb](before)

    assert after.state is to
    if after is not before:
        assert after.revision == before.revision + 1


@pytest.mark.parametrize(
    ("state", "weight", "auto_pause", "batch_promote"),
    [
        (State.PREPARED, 0, 0.0, 0.0),
        (State.CANARY, 10, 0.1, 0.0),
        (State.STAGED, 50, 0.5, 0.0),
        (State.PRODUCTION, 100, 1.0, 1.0),
        (State.FINISHING, 100, 1.0, 1.0),
        (State.FINISHED, 0, 0.0, 0.0),
        (State.ROLLED_BACK, 0, 0.0, 0.0),
    ],
)
def test_weight_and_flags_act_on_the_candidate_until_it_is_finished(
    state: State, weight: int, auto_pause: float, batch_promote: float
) -> None:
    now = record(state)
    candidate, stable = now.flags("candidate"), now.flags("stable")

    assert now.weight == weight
    assert (candidate.auto_pause, candidate.batch_promote) == (auto_pause, batch_promote)
    if state is State.FINISHED:
        assert (stable.auto_pause, stable.batch_promote) == (1.0, 1.0)
    else:
        assert stable == now.stable_flags


def test_the_table_of_states_in_the_architecture_is_true() -> None:
    page = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| ([a-z ]+) \| (\d+)[^|]* \| ([\d.]+), ([\d.]+) \| ([^|]+) \| ([^|]+) \|$", page, re.M)

    for name, weight, auto_pause, batch_promote, delivers, leads in rows:
        state = State(name.replace(" ", "_"))
        mock, real = record(state), record(state, releases=REAL, draining=False)
        flags = real.flags("candidate")
        assert (real.weight, flags.auto_pause, flags.batch_promote) == (
            int(weight),
            float(auto_pause),
            float(batch_promote),
        )
        on = {"yes": (True, True), "no": (False, False)}.get(delivers, (True, False))
        drains = replace(mock, draining=state is State.ROLLED_BACK)
        assert (drains.flags("candidate").alerts_consume, flags.alerts_consume) == on
        assert {to for verb, to in allowed(state).items() if to is not state} == {
            State.PREPARED if each == "a new rollout" else State(each.replace(" ", "_")) for each in leads.split(", ")
        }
    assert len(rows) == len(State)


@pytest.mark.parametrize("state", State)
def test_the_candidates_worker_delivers_wherever_nobody_else_would(state: State) -> None:
    mock, real = (each.flags("candidate").alerts_consume for each in (record(state), record(state, releases=REAL)))

    assert mock is (state is not State.FINISHED)
    assert real is (state in (State.PRODUCTION, State.FINISHING))


@pytest.mark.parametrize("state", WAY_BACK[:-1])
def test_after_a_rollback_flags_are_0_clean_up_is_locked_and_a_mock_leaves_the_candidate_to_deliver(
    state: State,
) -> None:
    back = machine.rolled_back(record(state, hold="a reason"), LAST, LATER)

    assert (back.weight, back.hold, back.since) == (0, None, LATER)
    assert back.flags("candidate") == FlagValues(alerts_consume=True, cleanup_dry_run=True)
    assert back.flags("stable") == FlagValues(cleanup_dry_run=True)
    drained = machine.draining(back, False, LAST)
    assert drained.flags("candidate").alerts_consume, "the next candidate is to be proven"
    real = machine.rolled_back(record(state, releases=REAL), LAST, LATER)
    assert not real.flags("candidate").alerts_consume


@pytest.mark.parametrize("state", WAY_BACK)
def test_a_candidate_whose_queue_is_a_mock_has_nothing_to_deliver_after_a_rollback(state: State) -> None:
    mock = record().releases.stable
    back = machine.rolled_back(record(state, releases=replace(record().releases, candidate=mock)), LAST, LATER)

    assert not back.draining
    assert not back.flags("candidate").alerts_consume


def test_a_rollback_of_what_is_rolled_back_changes_nothing() -> None:
    back = record(State.ROLLED_BACK)

    assert machine.rolled_back(back, LAST, LATER) is back
    nobodys = replace(back, last=Last(by="watch", verb="tick"))
    zoe = Last(by="zoe", verb="rollback", why="out of memory")
    assert machine.rolled_back(nobodys, zoe, LATER).last == zoe, "who knows why may say so later"
    assert machine.rolled_back(nobodys, zoe, LATER).since == back.since


def test_who_took_it_back_has_a_name_where_a_tick_saw_it_first_and_nobody_elses_is_replaced() -> None:
    ada, tick = Last(by="ada@desk", verb="rollback", why="orders are late"), Last(by="watch", verb="tick")
    seen = machine.rolled_back(record(State.CANARY), tick, AT)

    assert machine.claimed(seen, ada) == replace(seen, last=ada, revision=seen.revision + 1)
    for named in (ada, replace(tick, why="errors", gate="errors against stable")):
        whose = replace(seen, last=named)
        assert machine.claimed(whose, replace(ada, why="late")) == whose
    assert machine.claimed(seen, tick) == seen
    assert machine.claimed(record(State.CANARY), ada) == record(State.CANARY)


def test_out_of_finishing_leads_back_only_what_the_edge_has_taken_back_before() -> None:
    assert machine.rolled_back(record(State.FINISHING), LAST, LATER, taken=True).state is State.ROLLED_BACK
    with pytest.raises(RefusedError, match="there is no way back; begin a rollout"):
        machine.rolled_back(record(State.FINISHED), LAST, LATER, taken=True)


def test_over_a_migration_that_stable_does_not_survive_nothing_leads_back() -> None:
    canary = record(State.CANARY, releases=ONE_WAY)

    with pytest.raises(
        RefusedError, match=r"1\.5\.0 does not survive 007_drop\.sql; .* held, and mended forward\. cutover traffic"
    ):
        machine.rolled_back(canary, LAST, LATER)
    assert machine.rolled_back(canary, LAST, LATER, taken=True).state is State.ROLLED_BACK
    with pytest.raises(RefusedError, match=r"is canary: finish it first, cutover status -s local"):
        TURNS["begin"](canary)
    with pytest.raises(RefusedError, match=r"is prepared: finish it or roll it back first, cutover status -s local"):
        TURNS["begin"](replace(canary, state=State.PREPARED))


@pytest.mark.parametrize("to", machine.UPWARD)
def test_what_is_held_does_not_rise_and_says_why(to: State) -> None:
    held = machine.held(record(machine.UPWARD[to]), "Postgres is frozen", LAST)

    with pytest.raises(HeldError, match="Postgres is frozen; cutover resume goes on"):
        machine.risen(held, to, LAST, LATER)
    assert machine.risen(machine.resumed(held, LAST, LATER), to, LAST, LATER).state is to


def test_the_first_reason_of_a_hold_stays_and_a_persons_is_added() -> None:
    held = machine.held(record(State.STAGED), "the first", LAST)
    bob = Last(by="bob", verb="hold")
    both = machine.held(held, "the desk asks", bob)

    assert machine.held(held, "the second", Last(by="watch", verb="tick")) is held
    assert (both.hold, both.last, both.revision) == ("the first; bob: the desk asks", bob, held.revision + 1)
    assert machine.held(both, "the desk asks", bob) is both, "typed twice"


def test_a_phase_is_extended_once_and_a_new_one_again() -> None:
    longer = machine.extended(record(State.CANARY), LAST)
    assert (longer.extended, longer.since) == (True, AT)
    with pytest.raises(RefusedError, match="canary was extended already"):
        machine.extended(longer, LAST)

    assert not machine.risen(longer, State.STAGED, LAST, LATER).extended
    resumed = machine.resumed(longer, LAST, LATER)
    assert (resumed.extended, resumed.since) == (False, LATER)


def test_why_it_was_rolled_back_outlives_the_lock_of_the_clean_up_jobs() -> None:
    late, cleans = replace(LAST, why="orders are late"), replace(LAST, verb="resume", why="clean-up jobs delete again")
    once = machine.cleaning(machine.rolled_back(record(State.CANARY), late, LATER), cleans)

    assert once.last.why == machine.cleaning(once, cleans).last.why == "orders are late; clean-up jobs delete again"
    assert machine.cleaning(record(State.CANARY), cleans).last == cleans


@pytest.mark.parametrize("state", [State.FINISHED, State.ROLLED_BACK])
def test_once_a_rollout_is_over_stables_flags_are_whose_they_are_and_the_next_one_begins_with_them(
    state: State,
) -> None:
    own = FlagValues(auto_pause=1.0, batch_promote=1.0, cleanup_dry_run=True)
    late = replace(LAST, why="orders are late")
    over = record(state, stable_flags=own, last=late)
    over = replace(over, phases=[*over.phases[:-1], replace(over.phases[-1], flags=own)])
    off = machine.flagged(over, replace(LAST, verb="flags", why="false breaches"), auto_pause=0.0)

    assert off.flags("stable") == replace(own, auto_pause=0.0)
    assert off.flags("candidate") == over.flags("candidate")
    assert machine.flagged(off, LAST, batch_promote=0.5).flags("stable") == replace(
        own, auto_pause=0.0, batch_promote=0.5
    )
    assert machine.begun(off, replace(record(), id="next", revision=1)).flags("stable").auto_pause == 0.0
    assert "false breaches" in (off.last.why or "")
    assert ("orders are late" in (off.last.why or "")) is (state is State.ROLLED_BACK)


def test_the_clean_up_lock_outlives_the_next_beginning_and_ends_with_its_finish_or_by_name() -> None:
    back = machine.rolled_back(record(State.CANARY), LAST, LATER)
    again = machine.begun(back, replace(record(), id="next", revision=1))

    assert (again.revision, again.id, again.cleanup_locked) == (back.revision + 1, "next", True)
    assert again.flags("candidate").cleanup_dry_run
    assert again.flags("stable").cleanup_dry_run
    assert not machine.cleaning(again, LAST).flags("stable").cleanup_dry_run
    assert not machine.finished(replace(again, state=State.FINISHING), LAST, LATER).cleanup_locked


def test_the_flags_of_a_finished_rollout_are_stables_own_in_the_next() -> None:
    after = machine.begun(record(State.FINISHED), replace(record(), id="next", revision=1))

    assert (after.stable_flags.auto_pause, after.stable_flags.batch_promote) == (1.0, 1.0)


def test_the_first_rollout_begins_as_it_is() -> None:
    assert machine.begun(None, record()) == record()


def test_draining_follows_what_is_left_and_nothing_else_drains() -> None:
    back = machine.rolled_back(record(State.CANARY), LAST, LATER)

    assert machine.draining(back, True, LAST) is back
    rests = machine.draining(back, False, LAST)
    assert (rests.draining, rests.revision) == (False, back.revision + 1)
    assert machine.draining(rests, True, LAST).draining
    running = record(State.CANARY)
    assert machine.draining(running, True, LAST) is running


def test_a_signature_names_the_pack_and_who() -> None:
    signed = machine.signed(record(), "7d41c0", ["DevOps: ada", "Backend: grace"], LAST)

    assert (signed.pack, signed.signed, signed.state) == ("7d41c0", ["DevOps: ada", "Backend: grace"], State.PREPARED)


@pytest.mark.parametrize("state", [each for each in State if each is not State.PREPARED])
def test_what_is_not_prepared_is_not_signed(state: State) -> None:
    with pytest.raises(RefusedError, match=f"r7 is {state}, and only one that is prepared is signed"):
        machine.signed(record(state), "7d41c0", [], LAST)
