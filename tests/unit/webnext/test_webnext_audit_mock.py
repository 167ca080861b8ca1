"""The audit adapter as a mock: what it takes is the executor's where there is one, and outlives the process."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from tests.support.double import Client
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.audit.mock import MockAudit
from webnext.executor import Executor
from webnext.settings import Settings

PUSH, LIST = "/api/audit/push", "/api/audit/list"
ENTRY = {"action": "deploy", "result": "ok", "traceId": "trace-0001"}


def process(executor: httpx.AsyncBaseTransport) -> MockAudit:
    """The adapter of a process that has just begun."""
    return MockAudit(Executor("http://executor:3010", executor))


def of(double: Client) -> httpx.AsyncBaseTransport:
    return httpx.ASGITransport(double._app)


def ask(audit: MockAudit, path: str, body: Any = None, **headers: str) -> httpx.Response:
    app = create_app(replace(services_for(Settings()), audit=audit))

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://web-next") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.post(path, json=body, headers=named)

    return asyncio.run(run())


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, {"traffic": "user", **labels}) or 0


def test_what_a_mock_took_is_the_executors_and_the_next_process_lists_it(double: Client) -> None:
    before = counted("web_next_audit_inserts_total", store="executor")
    pushed = ask(process(of(double)), PUSH, ENTRY, idempotency_key="k-1").json()
    ask(process(of(double)), PUSH, {"action": "other", "result": "err"})
    listed = ask(process(of(double)), LIST).json()
    of_one = ask(process(of(double)), LIST, {"traceId": "trace-0001"}).json()

    assert pushed == {"ok": True, "id": "k-1", "_mock": True, "via": "executor"}
    assert listed["_mock"] is of_one["_mock"] is True
    assert [item["action"] for item in listed["items"]] == ["other", "deploy"]
    assert [item["actor"] for item in listed["items"]] == ["127.0.0.1"] * 2
    assert [item["id"] for item in of_one["items"]] == ["k-1"]
    assert counted("web_next_audit_inserts_total", store="executor") == before + 2


def test_an_answer_of_a_mock_is_a_mocks_whether_or_not_the_executor_is_there(double: Client) -> None:
    for executor in (of(double), httpx.MockTransport(lambda _: httpx.Response(500))):
        for path, body in ((PUSH, ENTRY), (LIST, {}), ("/api/snapshot/export", {})):
            mocks = {"route": path, "dependency": "mock"}
            before = counted("web_next_fallbacks_total", **mocks)

            assert ask(process(executor), path, body).headers["x-web-next-mock"] == "true"
            assert counted("web_next_fallbacks_total", **mocks) == before + 1
            assert not counted("web_next_fallbacks_total", route=path, dependency="executor")


def test_a_key_of_another_entry_is_refused_by_the_executors_word(double: Client) -> None:
    first, again, other = (
        ask(process(of(double)), PUSH, {**ENTRY, "action": action}, idempotency_key="k-1") for action in "aab"
    )

    assert (first.json(), other.status_code) == (again.json(), 409)


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(503), httpx.Response(422), httpx.Response(200, json={}), httpx.Response(200, json={"items": [1]})],
)
def test_with_the_executor_away_this_process_keeps_the_entry(answer: httpx.Response) -> None:
    audit, before = (
        process(httpx.MockTransport(lambda _: answer)),
        counted("web_next_audit_inserts_total", store="mock"),
    )
    pushed = [ask(audit, PUSH, {**ENTRY, "action": action}, idempotency_key=action) for action in "aab"]

    assert [answer.json()["via"] for answer in pushed] == ["mock"] * 3
    assert [item["action"] for item in ask(audit, LIST).json()["items"]] == ["b", "a"]
    assert ask(audit, PUSH, {**ENTRY, "action": "b"}, idempotency_key="a").status_code == 409
    assert counted("web_next_audit_inserts_total", store="mock") == before + 2


def test_an_export_has_what_a_list_has_and_says_that_it_is_a_mocks(double: Client) -> None:
    ask(process(of(double)), PUSH, ENTRY, idempotency_key="k-1")
    exported = ask(process(of(double)), "/api/snapshot/export").text

    assert (
        "# _mock: true, at most the newest 500 entries that a fallback has: mock: the audit adapter is one\n"
        in exported
    )
    assert ",k-1,deploy,ok," in exported
    assert exported.endswith("# Rows: 1\n")
