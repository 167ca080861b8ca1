"""Text that UTF-8 cannot write or Postgres cannot hold, wherever a caller may put text: refused, and never a 500. An
alert is taken without it (test_webnext_webhook.py)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.memory_audit import Call, MemoryAudit
from webnext.alerts.slack import message
from webnext.app import OPENAPI
from webnext.dependency import AwayError
from webnext.executor import Executor

HALF, NUL = "\ud800", "\x00"
ENTRY = {"action": "deploy", "result": "ok"}
NUMBERS = {"ema_fast": 1, "ema_slow": 1, "rsi": 1, "atr": 1, "crossover": 1, "momentum": 1, "volatility": 1}
SIGNAL = {
    "timestamp": "2026-01-01T00:00:00Z",
    "symbol": "BTC",
    "indicators": NUMBERS,
    "features": NUMBERS,
    "audit": {"traceId": "t", "buildSha": "b"},
}
KEY = "evidence/run-1/a.zip"
WEBHOOK = "/api/alerts/webhook"
BODIES: dict[str, list[dict[str, Any]]] = {
    "/api/audit/push": [
        *(ENTRY | {name: "x?"} for name in ("action", "result", "version", "strategyId", "traceId", "timestamp")),
        *(ENTRY | {"details": details} for details in ("x?", {"a": "x?"}, {"x?": 1}, {"a": [{"b": {"x?": 1}}]})),
        ENTRY | {"unknown": ["x?"]},
        ENTRY | {"x?": 1},
    ],
    "/api/audit/list": [{"traceId": "x?"}, {"limit": "x?"}, {"x?": "x?"}],
    "/api/signals": [
        *(SIGNAL | {name: "x?"} for name in ("timestamp", "symbol", "unknown")),
        SIGNAL | {"audit": {"traceId": "x?", "buildSha": "b"}},
        SIGNAL | {"audit": {"traceId": "t", "buildSha": "x?"}},
        SIGNAL | {"indicators": NUMBERS | {"rsi": "x?"}},
        SIGNAL | {"features": NUMBERS | {"x?": "x?"}},
    ],
    "/api/evidence/zip": [{"runId": "x?"}, {"jobId": "x?"}, {"runId": "r", "jobId": "x?"}, {"runId": "r", "x?": 1}],
    "/api/evidence/archive": [
        *({"key": KEY} | {name: "x?"} for name in ("key", "runId", "jobId", "sha256", "metadata", "unknown")),
        {"key": KEY, "metadata": {"x?": {"x?": "x?"}}},
    ],
    "/api/alerts/queue": [
        {"action": "retry", "jobId": "x?"},
        {"action": "retry_some", "jobIds": ["x?"]},
        {"action": "retry_all", "by": "x?"},
        {"action": "x?"},
        {"action": "purge_dlq", "jobId": "x?"},
        {"action": "purge_dlq", "x?": 1},
    ],
    "/api/snapshot/export": [{"format": "x?"}, {"hours": "x?"}, {"x?": "x?"}],
}


@pytest.mark.parametrize("bad", [HALF, NUL], ids=["half a pair", "NUL"])
@pytest.mark.parametrize(("path", "body"), [(path, body) for path, bodies in BODIES.items() for body in bodies])
def test_text_that_nothing_can_hold_is_refused_in_every_place(
    call: Call, audit: MemoryAudit, path: str, body: dict[str, Any], bad: str
) -> None:
    answer = call("POST", path, content=json.dumps(body).replace("?", json.dumps(bad)[1:-1]))

    assert answer.status_code == 422, answer.text
    assert answer.json()["traceId"] == answer.headers["x-trace-id"]
    assert audit.rows == []


def documented(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each route that takes a body, with text at each property that the document names, and at one that it does not."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if body := operation.get("requestBody"):
                schema = body["content"]["application/json"]["schema"]
                yield from ((path, {"unknown": "x?"}), (path, {"x?": 1}))
                yield from ((path, one) for one in texts(schema, document["components"]["schemas"]))


def texts(schema: Any, schemas: Any) -> Iterator[dict[str, Any]]:
    """A body for each property of a schema, however deep, with nothing but a text there."""
    named = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    for each in named.get("anyOf", []):
        yield from texts(each, schemas)
    for name, inner in named.get("properties", {}).items():
        yield {name: "x?"}
        yield from ({name: below} for below in texts(inner, schemas))


@pytest.mark.parametrize("bad", [HALF, NUL], ids=["half a pair", "NUL"])
def test_such_text_is_refused_for_itself_at_every_property_of_every_route_and_in_an_alert_taken(
    call: Call, bad: str
) -> None:
    """Whatever else is missing there: a route or a property that is added is held to it too."""
    places = list(documented(call("GET", OPENAPI).json()))
    wrong = []
    for path, body in places:
        answer = call("POST", path, content=json.dumps(body).replace("?", json.dumps(bad)[1:-1]))
        refused = answer.status_code == 422 and "a NUL or half a surrogate pair" in answer.json()["_err"]
        if answer.status_code != 202 if path == WEBHOOK else not refused:
            wrong.append((path, body, answer.status_code, answer.text[:100]))

    assert wrong == []
    assert {path for path, _ in places} == {*BODIES, WEBHOOK}
    assert len(places) >= 50


@pytest.mark.parametrize("path", BODIES)
def test_half_a_pair_that_is_written_as_bytes_is_refused_too(call: Call, path: str) -> None:
    content = json.dumps(BODIES[path][0]).encode().replace(b"?", HALF.encode(errors="surrogatepass"))

    assert call("POST", path, content=content).status_code in (400, 422)


NUMBERS_OF_NOTHING = ["1e999", "-1e999", "NaN", "-Infinity", "1" + "0" * 309, "-1" + "0" * 4000, "1" + "0" * 5000]


@pytest.mark.parametrize("number", NUMBERS_OF_NOTHING, ids=lambda number: f"{number[:9]}-{len(number)}")
@pytest.mark.parametrize("path", BODIES)
def test_a_number_that_no_reader_can_hold_is_refused_in_every_place(
    call: Call, audit: MemoryAudit, path: str, number: str
) -> None:
    for body in BODIES[path]:
        content = json.dumps(body).replace(': "x?"', f": {number}").replace('["x?"]', f"[{number}]")
        if number in content:
            assert call("POST", path, content=content).status_code in (400, 422), content
    assert audit.rows == []


@pytest.mark.parametrize("deep", [34, 960, 120_000])
@pytest.mark.parametrize("path", BODIES)
def test_a_deep_body_is_refused_wherever_it_is_deep(call: Call, audit: MemoryAudit, path: str, deep: int) -> None:
    objects = min(deep, 40_000)
    for nested in ("[" * deep + "]" * deep, '{"a":' * objects + "1" + "}" * objects):
        for name in ("unknown", "details", "metadata", "jobId", "by"):
            content = json.dumps(BODIES[path][0] | {name: "x"}).replace(f'"{name}": "x"', f'"{name}": {nested}')
            assert call("POST", path, content=content.replace("x?", "x")).status_code in (400, 422), (name, nested[:9])
    assert audit.rows == []


@pytest.mark.parametrize("name", ["idempotency-key", "x-trace-id", "user-agent", "traceparent", "if-none-match"])
@pytest.mark.parametrize("value", [b"\xed\xa0\x80", b"\xff", b"%00", b"%ED%A0%80"])
def test_no_header_makes_a_500(call: Call, name: str, value: bytes) -> None:
    headers = [(name.encode(), value)]
    answers = [call("POST", "/api/audit/push", json=ENTRY, headers=headers)]
    answers += [call("GET", path, headers=headers) for path in ("/dashboard", "/api/healthz")]

    assert {answer.status_code for answer in answers} <= {200, 422}


@pytest.mark.parametrize("path", ["/dashboard/%00", "/dashboard/%ED%A0%80", "/api/%00?%00=%ED%A0%80", "/%FF"])
def test_no_address_makes_a_500(call: Call, path: str) -> None:
    assert call("GET", path).status_code == 404


def test_a_refusal_quotes_a_part_of_what_was_sent(call: Call) -> None:
    answer = call("POST", "/api/audit/list", json={"x" * 100_000: NUL})

    assert (answer.status_code, len(answer.json()["_err"])) == (422, 156)


def test_an_executor_that_sends_such_text_has_not_answered() -> None:
    async def ask() -> None:
        sent = httpx.Response(200, content=json.dumps({"items": [{"details": HALF}]}).encode())
        await Executor("http://executor", httpx.MockTransport(lambda _: sent)).post("/audit/list", {})

    with pytest.raises(AwayError, match="hex escape"):
        asyncio.run(ask())


def test_an_alert_that_another_producer_cut_in_the_middle_of_a_pair_is_posted() -> None:
    text = message({"title": f"cut{HALF}", "text": f"cut{HALF}"}, f"cut{HALF}")["text"]

    assert text.encode() == b"*cut?*\ncut?\ntrace cut?"
