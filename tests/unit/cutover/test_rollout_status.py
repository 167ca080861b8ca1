"""A rollout's status: what routes is told before what is written, and what to type follows from where it is."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from cutover.errors import TrafficError, UnreachableError
from cutover.rollout.machine import VERBS
from cutover.rollout.record import Record
from cutover.rollout.status import Routes, Status
from cutover.rollout.table import COLUMNS, duration, evidence, share, table
from cutover.traffic.split import Mark, Share
from tests.support.rollout_states import CANARY, FINISHED, HELD, PREPARED, ROLLOUTS, STAGED, named


class Split:
    """What routes, as far as it is asked."""

    def __init__(self, answer: Share | TrafficError) -> None:
        self.answer = answer

    def get(self) -> Share:
        if isinstance(self.answer, TrafficError):
            raise self.answer
        return self.answer

    def beside(self) -> tuple[str, ...]:
        return ("a rule",)


@pytest.mark.parametrize("name", ROLLOUTS)
def test_a_status_is_read_back_from_the_json_that_it_is_printed_as(name: str) -> None:
    status = named(name).status

    assert Status.from_output(json.loads(json.dumps(status.output()))) == status


@pytest.mark.parametrize("name", ROLLOUTS)
def test_the_table_fits_a_terminal_and_says_what_to_type(name: str) -> None:
    lines = table(named(name).status).splitlines()

    assert len(lines) <= 22
    assert max(map(len, lines)) <= COLUMNS
    assert any(line.startswith("  next      cutover ") for line in lines)


def test_what_routes_is_told_where_the_record_says_otherwise() -> None:
    lower, higher = (Status.of(STAGED, Routes(weight=weight), STAGED.since) for weight in (10, 100))

    assert lower.why == "10 % is routed where the record says 50 %: cutover resume -s local sets it again"
    assert higher.why == "100 % is routed where the record says 50 %: tick lowers it"
    assert table(lower).startswith("  STAGED AT 10 %  web-next 1.5.0 → 1.5.1 on local\n")


def test_what_routes_counts_before_the_reason_of_a_hold_and_what_cannot_be_read_before_both() -> None:
    unread = Routes.of(Split(TrafficError("Docker does not answer: start it")))  # type: ignore[arg-type]

    assert Status.of(HELD, Routes(weight=50), HELD.since).why == HELD.hold
    assert "is routed where" in Status.of(HELD, Routes(weight=100), HELD.since).why
    assert Status.of(HELD, unread, HELD.since).why == ("what routes cannot be read: Docker does not answer: start it")


def test_the_mark_in_force_is_part_of_what_routes() -> None:
    marked = Share(weight=10, mark=Mark(rollout="r-1", revision=8))

    assert Routes.of(Split(marked)) == Routes(weight=10, rollout="r-1", revision=8, beside=["a rule"])  # type: ignore[arg-type]
    assert Routes.of(Split(Share(weight=0))) == Routes(weight=0, beside=["a rule"])  # type: ignore[arg-type]


def test_a_rollout_that_was_taken_back_is_not_said_to_be_resumed() -> None:
    routes = Routes.of(Split(Share(weight=0, taken_back=frozenset({STAGED.id}))))  # type: ignore[arg-type]

    assert Status.of(STAGED, routes, STAGED.since).why == (
        "it was taken back, and the record says staged still: cutover tick -s local mends that"
    )


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("prepared", "canary"),
        ("inconclusive", "status"),
        ("passed", "staged"),
        ("held", "rollback"),
        ("rolled back", "resume --cleanup"),
        ("finished", "smoke"),
    ],
)
def test_the_first_hint_is_what_the_state_asks_for(name: str, typed: str) -> None:
    assert named(name).status.hints[0].command == f"cutover {typed} -s local"


def test_after_a_rollback_the_next_canary_is_said_to_be_of_the_same_release_where_nobody_brought_up_another() -> None:
    begins = [hint.what for hint in named("rolled back").status.hints if hint.command == "cutover canary -s local"]

    assert begins == ["begins a new rollout, of 1.5.1 if that is still up"]


@pytest.mark.parametrize(
    ("name", "weight", "typed"),
    [
        ("held", 50, ["resume -s local", "traffic -s local 0"]),
        ("held", 0, ["rollback -s local", "resume -s local"]),
        ("inconclusive", 10, ["status -s local"]),
    ],
)
def test_over_a_migration_that_stable_does_not_survive_no_rollback_is_offered_that_would_be_refused(
    name: str, weight: int, typed: list[str]
) -> None:
    rollout = named(name)
    record = replace(rollout.record, releases=replace(rollout.record.releases, one_way="007_drop.sql"))
    status = Status.of(record, Routes(weight=weight), record.since, rollout.status.judgement)

    assert [hint.command for hint in status.hints] == [f"cutover {each}" for each in typed]


def test_a_verb_that_raises_the_weight_is_offered_where_its_gates_have_passed_and_nowhere_else() -> None:
    upward = {f"cutover {verb} -s local" for verb in VERBS.values() if verb != "canary"}
    offered = {name for name, rollout in ROLLOUTS.items() if {each.command for each in rollout.status.hints} & upward}

    assert offered == {"passed"}


def test_somebody_must_watch_while_the_candidate_is_judged_and_nobody_holds_it() -> None:
    watched = {record.state.value for record in (PREPARED, CANARY, STAGED, HELD, FINISHED) if _on(record)}

    assert watched == {"canary", "staged"}
    assert not _on(HELD)


@pytest.mark.parametrize(
    ("record", "routes", "held"),
    [
        (HELD, Routes(weight=50), True),
        (HELD, Routes(unread="Docker does not answer"), True),
        (HELD, Routes(weight=0), False),
        (STAGED, Routes(weight=50), False),
        (replace(PREPARED, hold="asked"), Routes(weight=0), False),
        (replace(PREPARED, hold="asked"), Routes(weight=10), True),
    ],
)
def test_a_rollout_is_held_while_a_hold_keeps_users_at_the_candidate(
    record: Record, routes: Routes, held: bool
) -> None:
    assert Status.of(record, routes, record.since).held is held


def _on(record: object) -> bool:
    return Status.of(record, Routes(weight=0), PREPARED.since).phase_on  # type: ignore[arg-type]


def test_a_judgement_of_a_phase_that_is_over_is_not_told() -> None:
    judgement = named("passed").status.judgement

    assert Status.of(replace(PREPARED), Routes(weight=0), PREPARED.since, judgement).judgement is None


def test_a_gate_says_what_it_has_seen_and_what_it_needs() -> None:
    lines = table(named("inconclusive").status).splitlines()

    assert "  PASS     slow                    0.14 %   5.00 %       720     0.00  rolls back" in lines
    (audit,) = [line for line in lines if "audit elsewhere  " in line]
    assert re.fullmatch(r"  OPEN     audit elsewhere            0 %   2\.00 %        72     0\.\d\d  needs 150", audit)
    assert "  PASS     audit inserts                                               30 a minute" in lines
    assert "  since     2026-11-29 05:05:00 UTC, for 12 min; until 05:35:00, 18 min are left" in lines


def test_what_could_not_be_reached_is_named_with_what_goes_on_with_it() -> None:
    assert "  left      flags candidate; cutover tick -s local goes on with it" in table(named("other weight").status)


def test_what_a_candidate_that_was_rolled_back_still_delivers_is_told_until_nothing_is_left() -> None:
    back = replace(named("rolled back").record, draining=True)
    status = Status.of(back, Routes(weight=0), back.since, accepted=3)

    assert status.draining == "the candidate's worker still delivers what it has accepted, 3 left"
    assert f"  delivers  {status.draining}" in table(status).splitlines()
    assert status.output()["draining"] == status.draining
    over = Status.of(replace(back, draining=False), Routes(weight=0), back.since)
    assert over.draining is None
    assert "delivers" not in table(over)


def test_where_nobody_can_count_what_is_left_that_is_told_with_the_way_out_by_name() -> None:
    back = replace(named("rolled back").record, draining=True)
    status = Status.of(back, Routes(weight=0), back.since, accepted=UnreachableError("candidate does not say"))
    lines, gone = table(status).splitlines(), back.releases.candidate

    assert "  delivers  nobody can count what the candidate still delivers: candidate does not say" in lines
    name = f"pulumi config set --path web-next:rollout.mayReplace {gone.digest[:16]} -s {gone.stack}"
    assert any(name in line for line in lines)


def test_figures_have_the_digits_that_matter() -> None:
    assert [share(each) for each in (None, 0.0, 0.0014, 0.02, 0.13, 1.0)] == [
        "–",
        "0 %",
        "0.14 %",
        "2.00 %",
        "13.0 %",
        "100.0 %",
    ]
    assert [duration(each) for each in (-3, 9, 71, 1799, 7260, 90000)] == [
        "0 s",
        "9 s",
        "1 min 11 s",
        "29 min",
        "2 h 01 min",
        "25 h 00 min",
    ]
    assert [evidence(each) for each in (0.004, 9.5, 1840.2, 3e9)] == ["0.00", "9.50", "1,840", "> 1e6"]


@pytest.mark.parametrize(("seconds", "said"), [(59, None), (252, "figures   until %s UTC, 4 min 12 s late")])
def test_figures_that_are_late_say_until_when_they_are_and_how_late(seconds: int, said: str | None) -> None:
    status = named("inconclusive").status
    assert status.judgement
    late = replace(status, at=status.judgement.at + timedelta(seconds=seconds))
    found = [line for line in table(late).splitlines() if line.startswith("  figures")]

    assert [line.partition(";")[0] for line in found] == (
        [f"  {said}" % format(status.judgement.at, "%H:%M:%S")] if said else []
    )
