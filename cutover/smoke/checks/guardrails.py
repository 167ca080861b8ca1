"""Guardrails: the thresholds come from the executor."""

from __future__ import annotations

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion


def look(probe: Probe) -> str:
    """The drawdown at which trading stops."""
    answer = probe.ask("GET", "/api/guardrails/read")
    if answer.get("_mock") is not False:
        raise CheckFailedError(f"guardrails are answered by a fallback: _mock is {answer.get('_mock')!r}")
    thresholds = answer.get("thresholds")
    drawdown = thresholds.get("maxDrawdown") if isinstance(thresholds, dict) else None
    if not isinstance(drawdown, int | float) or isinstance(drawdown, bool):
        raise CheckFailedError(f"thresholds.maxDrawdown is {drawdown!r}, a number expected")
    return f"maxDrawdown {drawdown:g}, from the executor"


CHECK = Check(name="guardrails", criterion=Criterion.GUARDRAILS, did="read the guardrails", look=look)
