"""The suite: its checks in their order, and the report with the decision."""

from __future__ import annotations

from collections.abc import Mapping

from cutover.smoke.checks import Check, audit, health, rate_limit
from cutover.smoke.decision import Criterion, Outcome, decide
from cutover.smoke.probe import CheckFailedError, Probe
from cutover.smoke.report import Report, Result
from outputs.release import SmokeTarget

CHECKS: Mapping[Criterion, Check] = {
    Criterion.HEALTH: health,
    Criterion.AUDIT: audit,
    Criterion.RATE_LIMIT: rate_limit,
}


def run(target: SmokeTarget, *, probe: Probe | None = None, checks: Mapping[Criterion, Check] = CHECKS) -> Report:
    """Runs the checks in order against the target and decides. A check that fails does not stop the others."""
    if probe is None:
        with Probe.of(target) as opened:
            return run(target, probe=opened, checks=checks)
    results = []
    for criterion, check in checks.items():
        started = probe.clock()
        try:
            outcome, detail = Outcome.PASS, check(probe, target)
        except CheckFailedError as failure:
            outcome, detail = Outcome.FAIL, str(failure)
        seconds = round(probe.clock() - started, 2)
        results.append(Result(criterion=criterion, outcome=outcome, detail=detail, seconds=seconds))
    decision = decide({result.criterion: result.outcome for result in results})
    return Report(target=target, results=tuple(results), decision=decision)
