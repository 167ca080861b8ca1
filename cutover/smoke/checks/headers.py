"""Security headers: every answer of the run has them (playbook row 6), and a trace id goes through."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

import httpx

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Criterion

EXACT = {"x-content-type-options": "nosniff", "x-frame-options": "DENY"}
HSTS_SECONDS = 31_536_000
TRACE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
PAGE, REFUSED, TRACED = "/dashboard", "/no-such-page", "/healthz"
"""None of them is limited."""


def look(probe: Probe) -> str:
    """How many answers were looked at: those of all checks before it, 429 included, a page, a 404 and a trace id's."""
    page = probe.accepted("GET", PAGE)
    probe.accepted("GET", REFUSED, status=httpx.codes.NOT_FOUND)
    trace = f"smoke-{uuid.uuid4()}"
    echoed = probe.accepted("GET", TRACED, headers={"x-trace-id": trace}).headers.get("x-trace-id")
    if echoed != trace:
        raise CheckFailedError(f"GET {TRACED}: x-trace-id came back as {echoed!r}, it was sent as {trace!r}")
    answers = list(zip(probe.samples.taken, probe.samples.headers, strict=True))
    for sample, headers in answers:
        if wrong := wrong_in(headers):
            raise CheckFailedError(f"{sample.method} {sample.path}, {sample.status}: {wrong}")
    connect = directives(page.headers).get("connect-src", "")
    for origin in filter(None, ("'self'", probe.target.places.executor)):
        if origin not in connect.split():
            raise CheckFailedError(f"GET {PAGE}: connect-src is {connect!r}, without {origin}")
    limited = sum(sample.limited for sample, _ in answers)
    return f"all there on {len(answers)} answers, {limited} of them 429; a trace id comes back"


def wrong_in(headers: Mapping[str, str]) -> str | None:
    """What is wrong with the headers that each answer has, in a clause."""
    for name, value in EXACT.items():
        if headers.get(name) != value:
            return f"{name} is {headers.get(name)!r}, {value!r} expected"
    hsts = headers.get("strict-transport-security", "")
    age = re.match(r"max-age=(\d+)", hsts)
    if not age or int(age[1]) < HSTS_SECONDS:
        return f"strict-transport-security is {hsts!r}, max-age={HSTS_SECONDS} or more expected"
    if "default-src" not in directives(headers):
        return f"content-security-policy is {headers.get('content-security-policy')!r}, one with default-src expected"
    if not TRACE_ID.fullmatch(headers.get("x-trace-id", "")):
        return f"x-trace-id is {headers.get('x-trace-id')!r}, 8 to 64 of A-Z a-z 0-9 - expected"
    return None


def directives(headers: Mapping[str, str]) -> dict[str, str]:
    """The directives of the content security policy."""
    policy = headers.get("content-security-policy", "")
    parts = (part.strip().partition(" ") for part in policy.split(";"))
    return {name: value for name, _, value in parts if name}


CHECK = Check(
    name="headers",
    criterion=Criterion.HEADERS,
    did="read the headers of every answer of this run, of a page and of a 404",
    look=look,
)
