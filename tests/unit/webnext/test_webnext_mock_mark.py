"""X-Web-Next-Mock: the header that says what the body says, and the metric that counts such answers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.types import ASGIApp

from tests.support.memory_audit import MemoryAudit
from webnext import context
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.contract.audit import AuditEntryV1, ListAnswer, PushAnswer
from webnext.settings import Settings

SIGNAL = {
    "timestamp": "2026-01-01T00:00:00Z",
    "symbol": "BTC",
    "indicators": {"ema_fast": 1, "ema_slow": 2, "rsi": 50, "atr": 1},
    "features": {"crossover": 1, "momentum": 0, "volatility": 0.1},
    "audit": {"traceId": "trace-0001", "buildSha": "4f2c1d9"},
}
ENTRY = {"action": "a", "result": "ok"}
REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/healthz", None),
    ("GET", "/", None),
    ("HEAD", "/", None),
    ("GET", "/dashboard", None),
    ("GET", "/api/openapi.json", None),
    ("GET", "/api/healthz", None),
    ("POST", "/api/audit/push", ENTRY),
    ("POST", "/api/audit/push", {"action": "a"}),
    ("POST", "/api/audit/push", ENTRY | {"details": "x" * 20_000}),
    ("POST", "/api/audit/list", {}),
    ("POST", "/api/signals", SIGNAL),
    ("POST", "/api/evidence/zip", {"runId": "run-1"}),
    ("POST", "/api/evidence/archive", {"key": "evidence/run-1/a.zip"}),
    ("GET", "/api/alerts/queue", None),
    ("GET", "/api/alerts/dlq", None),
    ("POST", "/api/alerts/queue", {"action": "retry", "jobId": "a"}),
    ("POST", "/api/alerts/queue", {"action": "purge_dlq"}),
    ("POST", "/api/alerts/webhook", {"text": "a"}),
    ("GET", "/api/guardrails/read", None),
    ("POST", "/api/snapshot/export", {"format": "csv"}),
    ("GET", "/nowhere", None),
]
COUNTED = "web_next_fallbacks_total"


class Fallback(MemoryAudit):
    """An audit log whose fallbacks answer: the executor, like Postgres before it, is away."""

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str | None = None) -> PushAnswer:
        context.stand_in("postgres")
        await asyncio.gather(self._executor())
        return PushAnswer(id="key", mock=True, via="spool")

    async def newest(self, limit: int, trace_id: str | None = None, after: str | None = None) -> ListAnswer:
        await asyncio.gather(self._executor())
        context.stand_in("postgres")
        return ListAnswer(mock=True, items=[])

    async def _executor(self) -> None:
        context.stand_in("executor")


def application(audit: MemoryAudit | None = None) -> ASGIApp:
    services = services_for(Settings())
    return create_app(replace(services, audit=audit) if audit else services)


@pytest.fixture(scope="module")
def mocks() -> ASGIApp:
    return application()


@pytest.fixture(scope="module")
def fallbacks() -> ASGIApp:
    return application(Fallback())


def send(app: ASGIApp, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    async def exchange() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://web-next") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, json=body, headers=named)

    return asyncio.run(exchange())


def marked(answer: httpx.Response) -> bool:
    assert answer.headers.get("x-web-next-mock") in (None, "true")
    return "x-web-next-mock" in answer.headers


def says(answer: httpx.Response) -> bool:
    """Whether the body says `_mock`, as its readers find it."""
    if answer.headers.get("content-type", "").startswith("application/json"):
        return answer.json().get("_mock") is True
    return any(line.startswith("# _mock: true") for line in answer.text.splitlines())


def counted(**labels: str) -> float:
    """The metric's sum over the series with these labels."""
    samples = [sample for metric in REGISTRY.collect() for sample in metric.samples if sample.name == COUNTED]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_the_header_is_there_where_the_body_says_so_and_nowhere_else(mocks: ASGIApp, fallbacks: ASGIApp) -> None:
    seen, real = set(), application(MemoryAudit())
    for method, path, body in REQUESTS:
        for app in (mocks, fallbacks, real):
            answer = send(app, method, path, body)
            assert marked(answer) == says(answer), answer.text
            seen |= {(method, path)} if marked(answer) else set()

    assert seen == {
        ("POST", "/api/audit/push"),
        ("POST", "/api/audit/list"),
        ("POST", "/api/signals"),
        ("POST", "/api/evidence/zip"),
        ("POST", "/api/evidence/archive"),
        ("GET", "/api/alerts/queue"),
        ("GET", "/api/alerts/dlq"),
        ("POST", "/api/alerts/webhook"),
        ("GET", "/api/guardrails/read"),
        ("POST", "/api/snapshot/export"),
    }


def test_what_a_caller_wrote_marks_no_answer() -> None:
    audit = MemoryAudit()
    app = application(audit)
    for details in ({"_mock": True}, '"_mock":true', "\n# _mock: true"):
        assert not marked(send(app, "POST", "/api/audit/push", ENTRY | {"details": details}))

    listed, exported = send(app, "POST", "/api/audit/list"), send(app, "POST", "/api/snapshot/export")

    assert '"_mock":true' in listed.text
    assert not marked(listed)
    assert len(audit.rows) == 3
    assert not marked(exported)


def test_what_was_not_accepted_is_marked_and_no_fallback() -> None:
    audit = MemoryAudit()
    audit.go_away()
    before = counted()

    app = application(audit)
    for path, body in (("/api/audit/push", ENTRY), ("/api/signals", SIGNAL)):
        answer = send(app, "POST", path, body)
        assert (answer.status_code, marked(answer), says(answer)) == (503, True, True)
    assert counted() == before


def test_each_answer_of_a_mock_is_counted_once(mocks: ASGIApp) -> None:
    for method, path, body in REQUESTS:
        before, by_mock = counted(), counted(dependency="mock", route=path, traffic="smoke")
        answer = send(mocks, method, path, body, x_web_next_traffic="smoke")

        assert counted() - before == counted(dependency="mock", route=path, traffic="smoke") - by_mock
        assert counted() - before == marked(answer)


@pytest.mark.parametrize(
    ("path", "body", "first"), [("/api/audit/push", ENTRY, "postgres"), ("/api/audit/list", {}, "executor")]
)
def test_a_fallback_is_counted_once_by_what_was_away_first(
    fallbacks: ASGIApp, path: str, body: Any, first: str
) -> None:
    before, by_first = counted(), counted(dependency=first, route=path, traffic="user")

    send(fallbacks, "POST", path, body)

    assert counted() - before == counted(dependency=first, route=path, traffic="user") - by_first == 1


def test_an_own_audit_entry_by_a_fallback_makes_no_mock_of_the_answer_about_it(fallbacks: ASGIApp) -> None:
    before = counted()

    answer = send(fallbacks, "POST", "/api/alerts/queue", {"action": "purge_dlq"})

    assert json.loads(answer.text) == {"ok": True, "action": "purge_dlq", "moved": 0, "purged": 0}
    assert counted() == before
