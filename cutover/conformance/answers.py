"""Rules that hold for answers of every kind: they come, they are headed, traced, and refuse in one shape."""

from __future__ import annotations

import json
import re
import time
from urllib.parse import urljoin, urlsplit

from cutover.conformance.image import (
    TRACE_ID,
    Image,
    Number,
    demand,
    moment,
    protected,
    refused,
    said,
    says_mock,
    typed,
)

HEALTHY_SECONDS = 1.0
"""Within which /healthz answers: load balancers and containers give it little more."""
MOCK = "x-web-next-mock"
DETAILS_LIMIT = 16 * 1024
BODY_LIMIT = 1024 * 1024
"""Bytes; no image takes a larger body."""
POSTS = (
    "/api/audit/push",
    "/api/audit/list",
    "/api/evidence/zip",
    "/api/evidence/archive",
    "/api/alerts/webhook",
    "/api/alerts/queue",
    "/api/snapshot/export",
)


def healthz(image: Image) -> str:
    """GET /healthz is 200 within a second, and not limited."""
    started = time.monotonic()
    answer = image.send("GET", "/healthz")
    seconds = time.monotonic() - started
    demand(answer.status_code == 200, f"{answer.status_code}, 200 expected")
    demand(seconds <= HEALTHY_SECONDS, f"took {seconds:.1f} s, {HEALTHY_SECONDS:g} s is the limit")
    return f"200 in {seconds:.2f} s"


def api_healthz(image: Image) -> str:
    """GET /api/healthz has ok, buildSha, environment, uptimeSec, version, flags and checks, of the right types."""
    seen = image.ask("GET", "/api/healthz")
    typed(seen, "healthz", ok=bool, buildSha=str, environment=str, uptimeSec=Number, version=str, flags=dict)
    typed(seen, "healthz", checks=dict)
    typed(seen["checks"], "healthz checks", memory=dict, uptime=dict, audit=dict, evidence=dict, queue=dict)
    typed(seen["checks"], "healthz checks", guardrails=dict)
    for name, check in seen["checks"].items():
        typed(check if isinstance(check, dict) else {}, f"healthz checks.{name}", ok=bool)
        if check.get("adapter") == "production" and not check["ok"]:
            typed(check, f"healthz checks.{name}", since=str)
            moment(check["since"], f"healthz checks.{name}: since")
    typed(seen["flags"], "healthz flags", FEATURE_AUTO_PAUSE=Number, FEATURE_BATCH_PROMOTE=Number)
    typed(seen["flags"], "healthz flags", EVIDENCE_CLEANUP_DRY_RUN=bool, ALERTS_CONSUME=bool)
    return f"build {seen['buildSha']}, version {seen['version']}, {seen['environment']}"


def security_headers(image: Image) -> str:
    """A 200, a 404, a 400 and a refused body carry every security header."""
    answers = [image.send("GET", "/healthz"), image.send("GET", "/api/healthz"), image.send("GET", "/api/nowhere")]
    answers += [image.send("GET", "/nowhere.js"), image.send("POST", "/api/alerts/queue", '{"action":"no"}')]
    answers.append(image.send("POST", "/api/audit/push", "{"))
    for answer in answers:
        protected(answer)
    return f"on {', '.join(str(answer.status_code) for answer in answers)}"


def home(image: Image) -> str:
    """GET and HEAD / are 307 to /dashboard, with the headers."""
    for method in ("GET", "HEAD"):
        answer = image.send(method, "/")
        target = urlsplit(urljoin("http://image/", answer.headers.get("location", ""))).path
        seen = f"{answer.status_code} to {answer.headers.get('location')!r}"
        demand(answer.status_code == 307 and target == "/dashboard", f"{method} /: {seen}, 307 to /dashboard expected")
        protected(answer)
    return "307 to /dashboard"


def dashboard(image: Image) -> str:
    """GET /dashboard is a page; it and the files it names on this origin are 200 and carry the headers."""
    page = image.send("GET", "/dashboard")
    kind = page.headers.get("content-type", "")
    demand(page.status_code == 200 and kind.startswith("text/html"), f"{page.status_code} {kind!r}, a page expected")
    protected(page)
    named = re.findall(r"<(?:script|link|img)\b[^>]*?\b(?:src|href)\s*=\s*[\"']?([^\"'\s>]+)", page.text)
    addresses = [urlsplit(urljoin(str(page.url), name)) for name in named]
    paths = sorted({address.path for address in addresses if address.netloc == page.url.netloc.decode()})
    for path in paths:
        file = image.send("GET", path)
        demand(file.status_code == 200, f"{path}: {file.status_code}, 200 expected")
        protected(file)
    return f"a page and {len(paths)} files"


def trace_kept(image: Image) -> str:
    """A valid x-trace-id comes back unchanged, on errors too."""
    for path in ("/api/healthz", "/api/nowhere"):
        for given in (f"Kept-{image.run}", "a" * 8, "Z9-" * 21 + "z"):
            seen = image.send("GET", path, **{"x-trace-id": given}).headers.get("x-trace-id")
            demand(seen == given, f"GET {path}: {given!r} came back as {seen!r}")
    return "the same comes back"


def trace_replaced(image: Image) -> str:
    """An x-trace-id that is none (characters, length) or missing is replaced by a valid one, on errors too."""
    for path in ("/api/healthz", "/api/nowhere"):
        for given in ("short", "a" * 65, "with space", "quote'--", "under_score", "<b>12345"):
            seen = image.send("GET", path, **{"x-trace-id": given}).headers.get("x-trace-id", "")
            demand(seen != given, f"GET {path}: {given!r} was kept")
            demand(bool(TRACE_ID.fullmatch(seen)), f"GET {path}: {seen!r} is no trace id")
    first, second = (image.send("GET", "/api/healthz").headers.get("x-trace-id") for _ in range(2))
    demand(first is not None and first != second, f"two requests without one got {first!r} and {second!r}")
    return "a new one each time"


def errors(image: Image) -> str:
    """Every refusal is JSON with _err and the answer's own traceId."""
    asked = (
        ("GET", "/api/nowhere", None),
        ("POST", "/api/audit/push", "[]"),
        ("POST", "/api/audit/push", '{"action":"contract","result":"maybe"}'),
        ("POST", "/api/audit/list", '{"limit":0}'),
        ("POST", "/api/evidence/zip", '{"runId":"../../etc/passwd"}'),
        ("POST", "/api/evidence/archive", '{"key":"../audit_log"}'),
        ("POST", "/api/alerts/webhook", "[1]"),
        ("POST", "/api/snapshot/export", '{"format":"csv","hours":-1}'),
        ("DELETE", "/api/audit/list", None),
    )
    for method, path, body in asked:
        refused(image.send(method, path, body), f"{method} {path} {body or ''}".strip())
    return f"{len(asked)} refusals in one shape"


def mock_mark(image: Image) -> str:
    """Of all that was answered so far, what says `_mock` has X-Web-Next-Mock: true, and nothing else has the header."""
    mocks = 0
    for answer in image.answers:
        where, seen = f"{answer.request.method} {answer.request.url.path}", answer.headers.get(MOCK)
        mock = says_mock(answer)
        demand(not mock or seen == "true", f"{where}: says _mock, but {MOCK} is {seen!r}")
        demand(mock or seen is None, f"{where}: {MOCK} is {seen!r} on an answer that does not say _mock")
        mocks += mock
    return f"on {mocks} of {len(image.answers)} answers"


def invalid_json(image: Image) -> str:
    """A body that is no JSON, or no text, is a 4xx with _err on every POST."""
    for path in POSTS:
        for body in ("{", b'{"action": "\xff"}'):
            refused(image.send("POST", path, body), f"POST {path} {body!r}")
    return f"refused by {len(POSTS)} routes"


def body_limit(image: Image) -> str:
    """Details of more than 16 KiB and a body of more than 1 MiB are a 4xx."""
    seen = []
    for size in (DETAILS_LIMIT, BODY_LIMIT):
        body = json.dumps({"action": "contract", "result": "ok", "details": "x" * size})
        answer = image.send("POST", "/api/audit/push", body)
        demand(400 <= answer.status_code < 500, f"{len(body)} bytes: {said(answer)}, a 4xx expected")
        seen.append(f"{answer.status_code} for {len(body)} bytes")
    return ", ".join(seen)
