"""GO or NO-GO: what follows from findings, rules and the moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from cutover.smoke.decision import Decision, Verdict, decide
from cutover.smoke.finding import Finding, Outcome
from outputs.smoke import MUST_PASS, Criterion, Rules, Waiver
from tests.support.smoked import finding

AT = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
RULES = Rules(must_pass=list(MUST_PASS), max_age_minutes=30)
OTHERS = [criterion for criterion in Criterion if criterion not in MUST_PASS]
RED = pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.NOT_RUN])


def findings(*changed: Finding, without: Criterion | None = None) -> list[Finding]:
    """A finding of each criterion, all passed but those changed, made a minute before the verdict."""
    instead = {each.criterion: each for each in changed if each.criterion}
    made = [instead.get(criterion) or finding(criterion) for criterion in Criterion if criterion is not without]
    extra = [each for each in changed if each.criterion is None]
    return [replace(each, at=AT - timedelta(minutes=1)) for each in [*made, *extra]]


def decided(*changed: Finding, rules: Rules = RULES, without: Criterion | None = None) -> Decision:
    return decide(findings(*changed, without=without), rules, AT)


def test_everything_passed_is_a_go_without_caveats() -> None:
    decision = decided()

    assert decision.verdict is Verdict.GO
    assert decision.caveats == []
    assert [each.criterion for each in decision.criteria] == list(Criterion)


def test_the_playbooks_six_must_pass() -> None:
    assert {criterion.value for criterion in MUST_PASS} == {
        "Audit Postgres",
        "Evidence S3",
        "Rate limit",
        "Guardrails",
        "Queue stats",
        "Health",
    }


@RED
@pytest.mark.parametrize("criterion", MUST_PASS)
def test_one_of_the_six_that_failed_or_did_not_run_is_a_no_go(criterion: Criterion, outcome: Outcome) -> None:
    decision = decided(finding(criterion, outcome))

    assert decision.verdict is Verdict.NO_GO
    assert [each.criterion for each in decision.stopped_by] == [criterion]


@pytest.mark.parametrize("criterion", MUST_PASS)
def test_one_of_the_six_that_nothing_looked_at_is_a_no_go(criterion: Criterion) -> None:
    decision = decided(without=criterion)

    assert decision.verdict is Verdict.NO_GO
    assert [each.saw for each in decision.stopped_by] == ["nothing looked at it"]


@RED
@pytest.mark.parametrize("criterion", OTHERS)
def test_another_criterion_is_a_caveat_by_its_name(criterion: Criterion, outcome: Outcome) -> None:
    decision = decided(finding(criterion, outcome))

    assert decision.verdict is Verdict.GO_WITH_CAVEATS
    assert decision.caveats == [criterion.value]


def test_a_criterion_may_be_added_to_those_that_must_pass() -> None:
    rules = replace(RULES, must_pass=[*MUST_PASS, Criterion.BUILD])

    assert decided(finding(Criterion.BUILD, Outcome.FAIL), rules=rules).verdict is Verdict.NO_GO


def test_what_passed_on_retry_has_passed_and_shows_it() -> None:
    decision = decided(finding(Criterion.RATE_LIMIT, Outcome.RETRIED))

    assert decision.verdict is Verdict.GO
    assert Outcome.RETRIED in [each.outcome for each in decision.criteria]


def test_a_check_outside_the_nine_is_a_caveat_where_it_failed_and_none_where_it_did_not_run() -> None:
    assert decided(finding(None, Outcome.FAIL, "monitoring")).caveats == ["monitoring"]
    assert decided(finding(None, Outcome.NOT_RUN, "dashboards")).verdict is Verdict.GO


def test_of_two_findings_of_a_criterion_the_worse_counts() -> None:
    both = [*findings(), *findings(finding(Criterion.AUDIT, Outcome.FAIL))]

    assert decide(both, RULES, AT).verdict is Verdict.NO_GO
    assert decide(list(reversed(both)), RULES, AT).verdict is Verdict.NO_GO


@pytest.mark.parametrize(("minutes", "verdict"), [(30, Verdict.GO), (31, Verdict.NO_GO), (-1, Verdict.NO_GO)])
def test_an_observation_that_is_too_old_or_of_tomorrow_does_not_count(minutes: int, verdict: Verdict) -> None:
    old = [
        replace(each, at=AT - timedelta(minutes=minutes)) if each.criterion is Criterion.AUDIT else each
        for each in findings()
    ]

    assert decide(old, RULES, AT).verdict is verdict


def test_a_failure_shows_even_where_another_finding_of_its_criterion_is_too_old() -> None:
    old = replace(finding(Criterion.AUDIT), at=AT - timedelta(hours=1))
    decision = decide([*findings(finding(Criterion.AUDIT, Outcome.FAIL)), old], RULES, AT)

    assert [(each.outcome, each.saw) for each in decision.stopped_by] == [(Outcome.FAIL, "saw Audit Postgres")]


def test_an_old_finding_says_that_it_is_too_old() -> None:
    decision = decide([replace(each, at=AT - timedelta(hours=1)) for each in findings()], RULES, AT)

    assert {each.saw for each in decision.criteria} == {"seen more than 30 min before the verdict: too old to count"}


def test_a_waiver_s_day_is_that_of_utc_wherever_the_verdict_was_written() -> None:
    east = AT.replace(hour=23).astimezone(timezone(timedelta(hours=5)))
    failed = [replace(each, at=east) for each in findings(finding(Criterion.EVIDENCE, Outcome.FAIL))]

    assert east.date() > AT.date()
    assert decide(failed, waived(AT.date()), east).verdict is Verdict.GO_WITH_CAVEATS


def waived(until: date) -> Rules:
    waiver = Waiver(criterion=Criterion.EVIDENCE, reason="the bucket moves", owner="ops", expires=until)
    return replace(RULES, waivers=[waiver])


@pytest.mark.parametrize(
    ("until", "verdict"),
    [(AT.date(), Verdict.GO_WITH_CAVEATS), (AT.date() - timedelta(days=1), Verdict.NO_GO)],
)
def test_a_waiver_makes_a_caveat_of_a_no_go_until_the_end_of_its_day(until: date, verdict: Verdict) -> None:
    decision = decided(finding(Criterion.EVIDENCE, Outcome.FAIL), rules=waived(until))

    assert decision.verdict is verdict
    assert (decision.caveats == ["Evidence S3"]) is (verdict is Verdict.GO_WITH_CAVEATS)


def test_a_waiver_of_what_passes_changes_nothing() -> None:
    decision = decided(rules=waived(AT.date()))

    assert decision.verdict is Verdict.GO
    assert not any(each.waived for each in decision.criteria)


def test_the_same_findings_give_the_same_decision() -> None:
    same = findings(finding(Criterion.BUILD, Outcome.FAIL))

    assert decide(same, RULES, AT) == decide(same, RULES, AT)


def test_a_decision_is_read_back_as_it_was_written() -> None:
    decision = decided(finding(Criterion.BUILD, Outcome.FAIL))

    assert Decision.from_output(decision.output()) == decision
