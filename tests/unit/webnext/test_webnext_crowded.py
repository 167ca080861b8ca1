"""A body of very many values, which takes thirty times its bytes in memory: refused before it is read, an alert cut."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.support.memory_audit import Call, MemoryAudit
from webnext.alerts.mock import MockAlerts
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.contract.alerts import AlertAnswer, fitting
from webnext.contract.base import MAX_DETAILS, MAX_VALUES
from webnext.envelope import MAX_BODY
from webnext.settings import Settings

AT_ONCE = 4
ENTRY = {"action": "deploy", "result": "ok"}
ALL_BUT_THE_WEBHOOK = {
    "/api/audit/push": ENTRY,
    "/api/audit/list": {},
    "/api/signals": {},
    "/api/evidence/zip": {"runId": "run-1"},
    "/api/evidence/archive": {"key": "evidence/run-1/a.zip"},
    "/api/alerts/queue": {"action": "x"},
    "/api/snapshot/export": {},
}


def crowded(body: dict[str, Any], value: str, count: int) -> bytes:
    """The body with so many values under a key that nothing knows."""
    return (json.dumps(body | {"x": "?"}, ensure_ascii=False).replace('"?"', f"[{','.join([value] * count)}]")).encode()


def largest(value: str) -> bytes:
    """An alert of as many such values as a body may have bytes for."""
    return crowded({"title": "a"}, value, (MAX_BODY - 32) // (len(value) + 1))


@pytest.mark.parametrize("value", ["0", "{}", '{"":0}', '"[,"'])
@pytest.mark.parametrize("path", ALL_BUT_THE_WEBHOOK)
def test_a_body_of_too_many_values_is_refused(call: Call, audit: MemoryAudit, path: str, value: str) -> None:
    answer = call("POST", path, content=crowded(ALL_BUT_THE_WEBHOOK[path], value, MAX_VALUES))

    assert answer.status_code == 422
    assert answer.json() == {
        "_err": f"body holds more than {MAX_VALUES} values",
        "traceId": answer.headers["x-trace-id"],
    }
    assert audit.rows == []


@pytest.mark.parametrize(
    "details",
    [
        {"in": [[]] * ((MAX_DETAILS - 9) // 3)},
        {"in": [{}] * ((MAX_DETAILS - 9) // 3)},
        {"in": [0] * ((MAX_DETAILS - 9) // 2)},
        "," * (MAX_DETAILS - 2),
        '["' * (MAX_DETAILS // 3 - 2),
    ],
    ids=["lists", "objects", "numbers", "commas", "quoted"],
)
def test_whatever_fits_into_the_details_of_an_entry_is_not_too_many(
    call: Call, audit: MemoryAudit, details: object
) -> None:
    entry = ENTRY | {"details": details, "unknown": ",[{" * 20_000}

    assert call("POST", "/api/audit/push", json=entry).status_code == 200
    assert [row.details for row in audit.rows] == [details]


def test_values_are_counted_in_other_encodings_too(call: Call) -> None:
    body = crowded({"hours": 1, "y": "∀"}, "0", MAX_VALUES)[:-1] + b',"z":0}'  # whose bytes have a quote more

    assert call("POST", "/api/snapshot/export", content=body.decode().encode("utf-16-le")).status_code == 422


@pytest.mark.parametrize("count", [MAX_VALUES - 2, MAX_VALUES - 1])
def test_an_alert_of_too_many_values_is_cut_though_it_is_small(count: int) -> None:
    body = crowded({"title": "a"}, "0", count)
    kept = json.loads(fitting(body))

    assert kept == (json.loads(body) if count < MAX_VALUES - 1 else {"title": "a", "cutFrom": len(body)})


class Slow(MockAlerts):
    """Keeps alerts once all are there, and what memory all took until then, in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: list[dict[str, Any]] = []
        self.took = 0

    async def accept(self, alert: dict[str, Any], trace_id: str) -> AlertAnswer:
        self.alerts.append(alert)
        while len(self.alerts) < AT_ONCE:
            await asyncio.sleep(0)
        self.took = self.took or tracemalloc.get_traced_memory()[0]
        return await super().accept(alert, trace_id)


@pytest.mark.parametrize(
    "value", ["{}", '{"":0}', '"ab"', '"😀' + "x" * 250_000 + '"'], ids=lambda value: ascii(value[:6])
)
def test_alerts_that_wait_take_little_more_than_their_bytes(value: str) -> None:
    slow, body = Slow(), largest(value)
    app = create_app(replace(services_for(Settings()), alerts=slow))

    async def post() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://web-next") as client:
            await client.get("/healthz")
            tracemalloc.start()
            posts = (client.post("/api/alerts/webhook", content=body) for _ in range(AT_ONCE))
            return [answer.status_code for answer in await asyncio.gather(*posts)]

    try:
        assert asyncio.run(post()) == [202] * AT_ONCE
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert slow.alerts == [{"title": "a", "cutFrom": slow.alerts[0]["cutFrom"]}] * AT_ONCE
    assert len(body) - 32 <= slow.alerts[0]["cutFrom"] <= len(body) + 2
    assert slow.took < AT_ONCE * 1.5 * MAX_BODY
    assert peak < AT_ONCE * 1.5 * MAX_BODY + 16 * 2**20, "one of them at a time is more"
