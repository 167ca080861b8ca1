"""The judgement: each outcome, what it makes a rollout do, and whose fault a failure is."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from cutover.gates.counts import Stretch, TrackCounts
from cutover.gates.judgement import Judgement
from cutover.gates.probe import Probed
from cutover.gates.result import Outcome
from cutover.rollout.phases import PHASES, PhaseName
from tests.support.judged import BEGAN, MOCKS, REAL, WELL, Adapters, counted, gate, judged, tracked

HUNG = Probed(answered=False)
NO_POSTGRES = Probed(answered=True, away=("audit",))
MOCKED: Adapters = {"stable": MOCKS, "candidate": REAL}


def test_gates_name_counts_that_are_counted() -> None:
    known = {field.name for field in fields(TrackCounts)}

    assert {name for phase in PHASES for each in phase.gates for name in (each.bad, each.of)} <= known


@pytest.mark.parametrize("phase", ["canary", "staged", "production"])
def test_a_phase_in_order_waits_till_its_holds_end_and_passes_then(phase: PhaseName) -> None:
    [hold] = [each.hold for each in PHASES if each.name == phase]
    before = judged(counted(seconds=hold - 1), phase)
    after = judged(counted(seconds=hold), phase)

    assert (before.outcome, before.action, before.remaining) == (Outcome.INCONCLUSIVE, "wait", 1)
    assert (after.outcome, after.action, after.remaining) == (Outcome.PASSED, "rise", 0)


@pytest.mark.parametrize("bad", ["errors", "slower_than_1500ms", "slower_than_stable"])
def test_evidence_against_the_candidate_rolls_back_before_the_hold_is_over(bad: str) -> None:
    judgement = judged(counted(TrackCounts(asked=100, requests=100, **{bad: 60}), seconds=30))

    assert (judgement.outcome, judgement.action) == (Outcome.FAILED, "rollback")
    assert "60 of 100 are 60.0%, at most" in judgement.why


def test_a_fault_that_comes_late_is_found_in_what_came_since_a_moment() -> None:
    many = {"asked": 432_000, "requests": 432_000}
    late = Stretch(
        since=BEGAN + timedelta(hours=11, minutes=45),
        stable=tracked(errors=10),
        candidate=tracked(asked=9_600, requests=9_600, errors=300),
    )
    before = counted(tracked(**many, errors=700), tracked(**many, errors=432), seconds=43_200)

    assert gate(judged(before, "production"), "errors").outcome is Outcome.PASSED
    judgement = judged(replace(before, stretches=[late]), "production")
    assert (gate(judgement, "errors").outcome, judgement.action) == (Outcome.FAILED, "rollback")
    assert judgement.why == "errors: since 17:45 300 of 9600 are 3.1%, at most 1.0% may be"

    both = replace(late, stable=tracked(errors=500))
    judgement = judged(replace(before, stretches=[both]), "production")
    assert (gate(judgement, "errors").outcome, judgement.action) == (Outcome.SHARED, "hold")


def test_errors_a_point_above_stables_roll_back_where_the_limit_itself_is_kept() -> None:
    many = {"asked": 100_000, "requests": 100_000}
    judgement = judged(counted(tracked(**many, errors=1_500), tracked(**many, errors=100)))

    assert gate(judgement, "errors").outcome is Outcome.PASSED
    assert (gate(judgement, "errors against stable").outcome, judgement.action) == (Outcome.FAILED, "rollback")
    assert "1500 of 100000, stable has 100 of 100000: over 0.5% more" in judgement.why


def test_a_candidate_that_hangs_rolls_back_by_its_probe_alone_while_stable_answers() -> None:
    judgement = judged(counted(seconds=5, blind=["nothing measures"]), candidate=HUNG)

    assert (judgement.outcome, judgement.action) == (Outcome.FAILED, "rollback")
    assert judgement.why == "probe: the candidate has not answered twice within 2 s, and stable does"


def test_two_tracks_that_hang_hold() -> None:
    judgement = judged(counted(), candidate=HUNG, stable=HUNG)

    assert (judgement.outcome, judgement.action) == (Outcome.SHARED, "hold")


def test_an_edge_that_does_not_honour_the_pin_is_no_data() -> None:
    judgement = judged(counted(), candidate=Probed(answered=None), stable=Probed(answered=None))

    assert (judgement.outcome, judgement.action) == (Outcome.NO_DATA, "hold")
    assert "edge.trustedCallers" in judgement.why


def test_without_traffic_of_users_a_phase_is_inconclusive_and_says_how_much_it_needs() -> None:
    judgement = judged(counted(TrackCounts(), TrackCounts(), audit_per_minute=0))

    assert (judgement.outcome, judgement.action) == (Outcome.INCONCLUSIVE, "extend")
    assert "errors: 0 requests, 150 are needed" in judgement.why
    assert gate(judgement, "errors").needed == 150


def test_a_share_over_the_limit_without_evidence_is_no_pass() -> None:
    judgement = judged(counted(tracked(asked=200, requests=200, errors=5), tracked()))

    assert (gate(judgement, "errors").outcome, judgement.action) == (Outcome.INCONCLUSIVE, "extend")
    assert "no evidence at" in gate(judgement, "errors").why


@pytest.mark.parametrize("phase", ["canary", "staged", "production"])
def test_a_reader_that_is_dead_is_no_data_however_bad_the_figures_are(phase: PhaseName) -> None:
    blind = ["EdgeLogUnchecked is firing"]
    judgement = judged(counted(tracked(errors=9_000), blind=blind), phase)

    assert (judgement.outcome, judgement.action) == (Outcome.NO_DATA, "hold")
    assert "EdgeLogUnchecked is firing" in judgement.why


def test_a_hold_of_which_a_tenth_was_not_observed_is_no_pass() -> None:
    judgement = judged(counted(observed=3_100, seconds=3_600))

    assert (judgement.outcome, judgement.why) == (
        Outcome.INCONCLUSIVE,
        "3100 s of 3600 s could be observed, 90% are needed",
    )


@pytest.mark.parametrize("stables", [NO_POSTGRES, Probed(answered=True)])
@pytest.mark.parametrize("bad", ["errors", "slower_than_1500ms", "fallbacks", "audit_elsewhere"])
def test_while_postgres_is_frozen_a_phase_is_held_whatever_fails(bad: str, stables: Probed) -> None:
    judgement = judged(counted(tracked(**{bad: 1_900}), seconds=60), candidate=NO_POSTGRES, stable=stables)

    assert (judgement.outcome, judgement.action) == (Outcome.SHARED, "hold")
    assert "postgres" in judgement.why


def test_while_postgres_is_frozen_nothing_passes_though_its_minutes_do_not_count() -> None:
    assert judged(counted(away=["postgres"])).action == "hold"


def test_a_mock_by_settings_on_stable_has_no_opinion_of_postgres() -> None:
    judgement = judged(counted(tracked(errors=5_000)), candidate=NO_POSTGRES, adapters=MOCKED)

    assert (judgement.outcome, judgement.action) == (Outcome.SHARED, "hold")


def test_a_postgres_that_stables_real_adapter_reaches_is_the_candidates_to_reach() -> None:
    judgement = judged(counted(tracked(audit_elsewhere=1_900)), candidate=NO_POSTGRES)

    assert judgement.action == "rollback"
    assert "stable's real adapter has 0 of 2000" in judgement.why


@pytest.mark.parametrize(("name", "bad"), [("audit elsewhere", "audit_elsewhere"), ("fallbacks", "fallbacks")])
def test_what_holds_rolls_back_only_where_stables_real_adapter_does_well(name: str, bad: str) -> None:
    failing = tracked(**{bad: 1_900})
    alone, mocked = judged(counted(failing)), judged(counted(failing), adapters=MOCKED)
    both = judged(counted(failing, failing))
    little = judged(counted(failing, TrackCounts(asked=10, requests=10, audit_writes=10)))

    assert (alone.action, mocked.action, both.action, little.action) == ("rollback", "hold", "hold", "hold")
    assert [gate(each, name).outcome for each in (alone, mocked, both, little)] == [
        Outcome.FAILED,
        Outcome.FAILED,
        Outcome.SHARED,
        Outcome.FAILED,
    ]


def test_an_adapter_that_is_real_on_the_candidate_alone_is_not_judged_by_stables_others() -> None:
    partly: Adapters = {"stable": {**REAL, "queue": "mock"}, "candidate": REAL}

    assert judged(counted(tracked(fallbacks=3_000)), adapters=partly).action == "hold"


def test_errors_of_both_tracks_hold() -> None:
    failing = tracked(errors=3_000)

    assert judged(counted(failing, failing)).action == "hold"
    assert judged(counted(failing, tracked())).action == "rollback"


def test_slow_audit_writes_on_both_tracks_hold() -> None:
    failing = tracked(audit_slower_than_100ms=1_000)

    assert gate(judged(counted(failing, failing)), "audit slow").outcome is Outcome.SHARED


@pytest.mark.parametrize("by", ["edge", "app"])
def test_429_holds_apart_and_never_rolls_back(by: str) -> None:
    other = {"edge": "app", "app": "edge"}[by]
    judgement = judged(counted(tracked(**{f"limited_by_{by}": 4_000})))

    assert (gate(judgement, f"limited by {by}").outcome, judgement.action) == (Outcome.FAILED, "hold")
    assert gate(judgement, f"limited by {other}").outcome is Outcome.PASSED


def test_a_quiet_desk_is_inconclusive_at_the_end_and_never_rolls_back() -> None:
    quiet = judged(counted(audit_per_minute=9.9))
    failing = judged(counted(tracked(audit_elsewhere=1_900), audit_per_minute=9.9))

    assert (quiet.outcome, quiet.action) == (Outcome.INCONCLUSIVE, "extend")
    assert quiet.why == "audit inserts: 9.9 a minute of both tracks, 10 are needed: a quiet desk"
    assert failing.action == "hold"
    assert judged(counted(audit_per_minute=10)).action == "rise"


def test_mocks_by_settings_are_caveats_and_no_failures() -> None:
    judgement = judged(
        counted(tracked(fallbacks=9_000, audit_elsewhere=2_000)), adapters={"stable": MOCKS, "candidate": MOCKS}
    )

    assert judgement.action == "rise"
    assert judgement.caveats == [
        "fallbacks: all of the candidate's adapters are mocks by its settings",
        "audit elsewhere: the candidate's audit is a mock by its settings",
        "audit slow: the candidate's audit is a mock by its settings",
    ]


def test_a_breach_without_a_pause_holds_and_none_at_all_is_a_caveat() -> None:
    unseen = judged(counted(), "production")
    paused = judged(counted(tracked(breaches=1)), "production")
    ignored = judged(counted(tracked(breaches=1, breaches_not_paused=1)), "production")

    assert (unseen.action, unseen.caveats) == ("rise", ["auto-pause: no breaches in the window"])
    assert (paused.action, paused.caveats) == ("rise", [])
    assert (ignored.action, gate(ignored, "auto-pause").outcome) == ("hold", Outcome.FAILED)


def test_a_judgement_is_written_and_read_back() -> None:
    judgement = judged(counted(tracked(errors=5_000)), candidate=WELL)

    assert Judgement.from_output(judgement.output()) == judgement
