from __future__ import annotations

import pytest

from cutover.smoke.decision import Criterion, Outcome, Verdict, decide

ALL_PASS = dict.fromkeys(Criterion, Outcome.PASS)
MANDATORY = [criterion for criterion in Criterion if criterion.mandatory]


def test_everything_passed_is_a_go() -> None:
    decision = decide(ALL_PASS)

    assert decision.verdict is Verdict.GO
    assert decision.against == ()


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.NOT_RUN])
@pytest.mark.parametrize("criterion", MANDATORY)
def test_a_mandatory_criterion_that_failed_or_did_not_run_is_a_no_go(criterion: Criterion, outcome: Outcome) -> None:
    decision = decide({**ALL_PASS, criterion: outcome})

    assert decision.verdict is Verdict.NO_GO
    assert decision.against == (criterion,)


@pytest.mark.parametrize("criterion", MANDATORY)
def test_a_mandatory_criterion_that_is_missing_is_a_no_go(criterion: Criterion) -> None:
    decision = decide({other: outcome for other, outcome in ALL_PASS.items() if other is not criterion})

    assert decision.verdict is Verdict.NO_GO
    assert decision.against == (criterion,)


def test_nothing_checked_is_a_no_go() -> None:
    assert decide({}).verdict is Verdict.NO_GO


def test_another_criterion_that_failed_is_a_caveat_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Criterion, "mandatory", property(lambda self: self is not Criterion.RATE_LIMIT))

    decision = decide({**ALL_PASS, Criterion.RATE_LIMIT: Outcome.FAIL})

    assert decision.verdict is Verdict.GO_WITH_CAVEATS
    assert decision.against == (Criterion.RATE_LIMIT,)


def test_the_playbooks_mandatory_criteria_are_mandatory() -> None:
    playbook = {"Audit Postgres", "Evidence S3", "Rate limit", "Guardrails", "Queue stats", "Health"}

    assert {criterion.value for criterion in MANDATORY} == playbook & {criterion.value for criterion in Criterion}
