"""What a deployment record holds for the smoke suite, and a report of a suite that ran."""

from __future__ import annotations

from cutover.smoke.decision import Criterion, Outcome, decide
from cutover.smoke.report import Report, Result
from tests.support.edge_double import TARGET

RECORD = TARGET.output()


def report(health: Outcome = Outcome.PASS, rate: Outcome = Outcome.PASS) -> Report:
    """A suite in which every other check has passed."""
    outcomes = dict.fromkeys(Criterion, Outcome.PASS) | {Criterion.HEALTH: health, Criterion.RATE_LIMIT: rate}
    results = tuple(
        Result(criterion=criterion, outcome=outcome, detail=f"saw {criterion.value}", seconds=0.25)
        for criterion, outcome in outcomes.items()
    )
    return Report(target=TARGET, results=results, decision=decide(outcomes))
