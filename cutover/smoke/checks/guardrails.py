"""Guardrails: the thresholds come from the executor."""

from __future__ import annotations

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion


def look(probe: Probe) -> str:
    """The drawdown at which trading stops, and whether it was ever reached.

    The figure is the executor's to set; the playbook's 0.15 is an example. It is a share.
    """
    answer = probe.ask("GET", "/api/guardrails/read")
    if answer.get("_mock") is not False:
        why = f"; {answer['_err']}" if answer.get("_err") else ""
        raise CheckFailedError(f"guardrails are answered by a fallback: _mock is {answer.get('_mock')!r}{why}")
    thresholds = answer.get("thresholds")
    drawdown = thresholds.get("maxDrawdown") if isinstance(thresholds, dict) else None
    if not isinstance(drawdown, int | float) or isinstance(drawdown, bool) or not 0 < drawdown <= 1:
        raise CheckFailedError(f"thresholds.maxDrawdown is {drawdown!r}, a share above 0 and up to 1 expected")
    breach = answer.get("lastBreach", ...)
    if breach is not None and not isinstance(breach, dict):
        raise CheckFailedError(
            f"lastBreach is {'missing' if breach is ... else repr(breach)}, null or a breach expected"
        )
    last = f"last breach {breach.get('at')}" if breach else "never breached"
    return f"maxDrawdown {drawdown:g} from the executor, {last}"


CHECK = Check(
    name="guardrails", criterion=Criterion.GUARDRAILS, did="read the guardrails", look=look, adapter="guardrails"
)
