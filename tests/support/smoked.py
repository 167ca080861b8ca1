"""What a deployment record holds for the smoke suite, and a report of a suite that ran."""

from __future__ import annotations

from cutover.smoke.finding import Finding, Outcome, now
from cutover.smoke.report import Report
from outputs.smoke import Criterion
from tests.support.edge_double import TARGET

RECORD = TARGET.output()


def finding(criterion: Criterion | None, outcome: Outcome = Outcome.PASS, name: str = "") -> Finding:
    """What a check of a criterion has found just now."""
    named = name or str(criterion)
    return Finding(
        check=named, criterion=criterion, did="looked", saw=f"saw {named}", outcome=outcome, at=now(), seconds=0.25
    )


def report(health: Outcome = Outcome.PASS, rate: Outcome = Outcome.PASS) -> Report:
    """A suite in which every other check has passed."""
    outcomes = dict.fromkeys(Criterion, Outcome.PASS) | {Criterion.HEALTH: health, Criterion.RATE_LIMIT: rate}
    return Report.of(TARGET, [finding(criterion, outcome) for criterion, outcome in outcomes.items()])
