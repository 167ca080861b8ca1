"""The edge and the app behind it, without sockets: nginx's limiter word for word, on a clock that tests turn."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from cutover.smoke.probe import Probe
from outputs.access import DatabaseAccess
from outputs.schema import AppliedSchema
from outputs.smoke import MUST_PASS, DockerProcesses, EdgeSummary, Places, Rules, SmokeTarget

TARGET = SmokeTarget(
    stack="test",
    track="stable",
    image="sha256:" + "a" * 64,
    build_sha="4f2c1d9",
    version="1.5.1",
    schema=AppliedSchema(version=1, digest="d"),
    settings_digest="s",
    adapters={"audit": "production", "evidence": "production", "queue": "production", "guardrails": "production"},
    digest="r",
    edge=EdgeSummary(url="https://localhost:8443", rate_per_minute=60, burst=10, config="c"),
    places=Places(
        environment="test",
        account="123456789012",
        region="eu-central-1",
        emulator="http://127.0.0.1:4566",
        evidence_bucket="evidence",
        records_bucket="records",
        database=DatabaseAccess(mode="direct", endpoint="127.0.0.1:5432", secret_arn="a", region="eu-central-1"),
        metrics_url="http://127.0.0.1:9090",
    ),
    processes=DockerProcesses(app="web-next-test-stable", worker="web-next-test-worker"),
    profile="full",
    rules=Rules(must_pass=list(MUST_PASS), max_age_minutes=30, waivers=[]),
)


HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=31536000",
    "content-security-policy": "default-src 'none'",
}
"""What every answer has."""


def target(**edge: Any) -> SmokeTarget:
    """The target with another edge."""
    return replace(TARGET, edge=replace(TARGET.edge, **edge))


@dataclass
class Clock:
    """Seconds that pass only when somebody sleeps or travels."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Nginx:
    """ngx_http_limit_req_lookup for one address: the excess in thousandths of a request, time in milliseconds."""

    def __init__(self, rate_per_minute: int, burst: int) -> None:
        self._rate = 1000 * rate_per_minute // 60
        self._burst = 1000 * burst
        self._excess: int | None = None
        self._last = 0

    def passes(self, now: float) -> bool:
        milliseconds = int(now * 1000)
        if self._excess is None:
            self._excess, self._last = 0, milliseconds
            return True
        elapsed = max(0, milliseconds - self._last)
        excess = max(0, self._excess - self._rate * elapsed // 1000 + 1000)
        if excess > self._burst:
            return False
        self._excess = excess
        if elapsed:
            self._last = milliseconds
        return True


class NoLimit:
    """An edge whose limiter is off."""

    def passes(self, now: float) -> bool:
        return True


Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class Edge:
    """What a probe talks to. `answers` replaces the app's answer for a path; `latency` is one way, in seconds."""

    clock: Clock = field(default_factory=Clock)
    limiter: Nginx | NoLimit = field(default_factory=lambda: Nginx(60, 10))
    latency: Callable[[], float] = lambda: 0.001
    answers: dict[str, Answer] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    target: SmokeTarget = TARGET
    named: dict[str, str] = field(default_factory=lambda: HEADERS | {"x-edge-id": "edge-1", "x-edge-track": "stable"})
    """The headers of every answer that has not set its own."""

    def probe(self) -> Probe:
        http = httpx.Client(base_url=TARGET.edge.url, transport=httpx.MockTransport(self._handle), trust_env=False)
        return Probe(http=http, target=self.target, clock=self.clock, sleep=self.clock.sleep)

    def answer(self, path: str, document: Any, status: int = 200) -> None:
        """From now on `path` answers with this."""
        self.answers[path] = lambda _request: httpx.Response(status, json=document)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.clock.sleep(self.latency())
        path = request.url.path
        if path.startswith("/api/") and not self.limiter.passes(self.clock()):
            response = httpx.Response(429, json={"_err": "rate limited"}, headers={"retry-after": "1"})
        elif path in self.answers:
            response = self.answers[path](request)
        else:
            response = self._app(path, request)
        self.clock.sleep(self.latency())
        trace = request.headers.get("x-trace-id", "made-by-the-edge")
        for name, value in ({"x-trace-id": trace} | self.named).items():
            response.headers.setdefault(name, value)
        return response

    def _app(self, path: str, request: httpx.Request) -> httpx.Response:
        if path == "/api/healthz":
            health = {"ok": True, "buildSha": TARGET.build_sha, "version": TARGET.version, "uptimeSec": 7}
            return httpx.Response(200, json=health)
        if request.method != "POST":
            return httpx.Response(404, json={"_err": "not found"})
        body = json.loads(request.content)
        if path == "/api/audit/push":
            row = {"id": str(len(self.rows) + 1), **body, "traceId": request.headers.get("x-trace-id")}
            self.rows.insert(0, row)
            return httpx.Response(200, json={"ok": True, "id": row["id"]})
        if path == "/api/audit/list":
            return httpx.Response(
                200,
                json={
                    "_mock": False,
                    "items": [row for row in self.rows if body.get("traceId") in (None, row["traceId"])][
                        : body["limit"]
                    ],
                },
            )
        return httpx.Response(404, json={"_err": "not found"})


def jitter(seed: int, longest: float = 0.02) -> Callable[[], float]:
    """Latencies from 0.2 ms to `longest`, most of them short; the same for the same seed."""
    dice = random.Random(seed)
    return lambda: 0.0002 + longest * dice.random() ** 4
