"""Security headers: every answer of the run has them (playbook row 6), and a trace id goes through."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion, Places

EXACT = {"x-content-type-options": "nosniff", "x-frame-options": "DENY"}
HSTS = "strict-transport-security"
TRACE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
PAGE = "/dashboard"
KINDS = {"full": (PAGE, "/no-such-page", "/healthz"), "prod": (PAGE,)}
"""Asked for where no other check has. None of them is limited."""


def look(probe: Probe) -> str:
    """How many answers were looked at: those of all checks before it, 429 included, a page and a 404."""
    for path in KINDS[probe.target.profile]:
        if path not in {sample.path for sample in probe.samples.taken}:
            probe.send("GET", path)
    answers = [answer for answer in probe.samples.answers() if answer[0].edge is not None]  # what else is a firewall's
    for sample, headers, trace in answers:
        if wrong := wrong_in(headers, trace, probe.target.edge.hsts) or (
            sample.path == PAGE and wrong_on_page(headers, probe.target.places)
        ):
            raise CheckFailedError(f"{sample.method} {sample.path}, {sample.status}: {wrong}")
    limited = sum(sample.limited for sample, *_ in answers)
    return f"all there on {len(answers)} answers, {limited} of them 429; trace ids come back"


def wrong_on_page(headers: Mapping[str, str], places: Places) -> str | None:
    """What the page may not connect to and must, in a clause."""
    connect = directives(headers).get("connect-src", "")
    missing = [origin for origin in ("'self'", places.executor) if origin and origin not in connect.split()]
    return f"connect-src is {connect!r}, without {' and '.join(missing)}" if missing else None


def wrong_in(headers: Mapping[str, str], trace: str | None, hsts: str) -> str | None:
    """What is wrong with the headers of an answer, asked for with this trace id, in a clause; `hsts` is declared."""
    for name, value in {**EXACT, HSTS: hsts}.items():
        if headers.get(name) != value:
            return f"{name} is {headers.get(name)!r}, {value!r} expected"
    if "default-src" not in directives(headers):
        return f"content-security-policy is {headers.get('content-security-policy')!r}, one with default-src expected"
    echoed = headers.get("x-trace-id", "")
    if not TRACE_ID.fullmatch(echoed):
        return f"x-trace-id is {echoed!r}, 8 to 64 of A-Z a-z 0-9 - expected"
    if trace not in (None, echoed):
        return f"x-trace-id came back as {echoed!r}, it was sent as {trace!r}"
    return None


def directives(headers: Mapping[str, str]) -> dict[str, str]:
    """The directives of the content security policy."""
    policy = headers.get("content-security-policy", "")
    parts = (part.strip().partition(" ") for part in policy.split(";"))
    return {name: value for name, _, value in parts if name}


CHECK = Check(
    name="headers",
    criterion=Criterion.HEADERS,
    did="read the headers of every answer of this run",
    look=look,
)
