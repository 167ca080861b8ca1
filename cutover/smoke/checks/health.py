"""Health: the app answers."""

from __future__ import annotations

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion


def look(probe: Probe) -> str:
    """The app says that it is well, and since when."""
    answer = probe.ask("GET", "/api/healthz")
    if answer.get("ok") is not True:
        raise CheckFailedError(f"healthz ok is {answer.get('ok')!r}, True expected: {answer.get('checks')}")
    return f"ok, up {answer.get('uptimeSec')} s"


CHECK = Check(name="health", criterion=Criterion.HEALTH, did="asked /api/healthz", look=look)
