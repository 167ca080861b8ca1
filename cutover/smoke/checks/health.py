"""Health: the app says of itself that it is well."""

from __future__ import annotations

from cutover.smoke.check import Check
from cutover.smoke.probe import AwayError, CheckFailedError, Probe
from outputs.smoke import Criterion

DEPENDENCIES = ("audit", "evidence", "queue", "guardrails")
"""What `checks` of healthz says of these is repeated only: each has a check of its own, which fails where it is away,
while the app is well and answers from fallbacks."""


def look(probe: Probe) -> str:
    """Since when it is up, and which of its dependencies it misses."""
    try:
        answer = probe.once("/api/healthz")
    except AwayError:
        probe.shared.away = True
        raise
    checks = answer.get("checks")
    if answer.get("ok") is not True:
        raise CheckFailedError(f"healthz ok is {answer.get('ok')!r}, True expected: {checks}")
    environment = probe.target.places.environment
    if answer.get("environment") != environment:
        raise CheckFailedError(f"healthz environment is {answer.get('environment')!r}, {environment!r} expected")
    if not isinstance(checks, dict):
        raise CheckFailedError(f"healthz checks is {checks!r}, an object expected")
    mocks = [name for name, adapter in probe.target.adapters.items() if adapter == "mock"]
    sound = {name: isinstance(check, dict) and check.get("ok") is True for name, check in checks.items()}
    failed = [name for name, ok in sound.items() if not ok and name not in mocks]
    if own := [name for name in failed if name not in DEPENDENCIES]:
        raise CheckFailedError(f"healthz says that {', '.join(own)} is not ok")
    return f"ok, up {answer.get('uptimeSec')} s" + (f"; it misses {', '.join(failed)}" if failed else "")


CHECK = Check(name="health", criterion=Criterion.HEALTH, did="asked /api/healthz", look=look)
