"""Security headers: every kind of answer has them (playbook row 6)."""

from __future__ import annotations

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion

EXPECTED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=31536000",
}
PATHS = ("/dashboard", "/healthz", "/no-such-page")
"""None of them is limited."""


def look(probe: Probe) -> str:
    """Which answers were looked at."""
    for path in PATHS:
        answer = probe.send("GET", path)
        for name, value in EXPECTED.items():
            if not answer.headers.get(name, "").startswith(value):
                raise CheckFailedError(f"GET {path}: {name} is {answer.headers.get(name)!r}, {value!r} expected")
        for name in ("content-security-policy", "x-trace-id"):
            if not answer.headers.get(name):
                raise CheckFailedError(f"GET {path}: {name} is missing")
    return f"all there on {', '.join(PATHS)}"


CHECK = Check(name="headers", criterion=Criterion.HEADERS, did="read the headers of pages and a refusal", look=look)
