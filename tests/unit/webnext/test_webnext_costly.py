"""What a caller writes, at the largest that is taken and in the worst shapes: it costs the one event loop no more than
its length, so that nobody stops the service for everybody else."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from webnext import logs
from webnext.contract.base import MAX_DETAILS
from webnext.envelope import MAX_BODY

LINE = 7700
"""Bytes of a path or a header: nginx takes lines of 8 KiB."""
SECONDS = 0.1
"""Of CPU for a head, and LARGE_SECONDS for a body: a few times what they cost. Each defect so far took 0.3 and more."""
LARGE_SECONDS = 0.5
PAIRS = ["x=", "a:", ":a", "a@", "a:@", "a,", "a;", ", ", "../", "%2", "/", "'", '"', "\\", "[", "{", "<", "#\n"]
SHAPES = [
    ("", "x", "="),
    ("a", " ", "="),
    ("a", "\t", "b"),
    ("bearer ", "x", "\t"),
    ("", "password = '", "="),
    ("", 'token:\\"', "="),
    ("secret", "\\", "="),
    ("secret", " ", "'"),
    *(("", pair, end) for pair in PAIRS for end in ("", "=", "@")),
]
"""How a text begins, what it repeats, and how it ends: what makes a careless expression begin anew at each letter."""
MARKS = ["\u0301\u0316", "\u0301" * 100 + "\u0316" * 100, "e\u0301", "\u1100\u1161", "ﷺ", "İ", "\u200b", "\U0001d15e"]
"""Letters that Unicode puts in order, together or into many."""
HEADERS = [
    "accept", "authorization", "baggage", "content-type", "cookie", "host", "idempotency-key", "if-none-match",
    "origin", "sec-fetch-site", "traceparent", "tracestate", "x-forwarded-proto", "x-real-ip", "x-trace-id",
    "x-web-next-traffic",
]  # fmt: skip
PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
BODIES: dict[str, dict[str, Any]] = {
    "/api/audit/push": {"action": "?", "result": "ok", "strategyId": "?", "traceId": "?", "details": {"?": "?"}},
    "/api/audit/list": {"limit": "?", "traceId": "?", "after": "?"},
    "/api/signals": {"timestamp": "?", "symbol": "?", "indicators": {"?": "?"}},
    "/api/evidence/zip": {"runId": "?", "metadata": {"?": "?"}},
    "/api/evidence/archive": {"key": "?"},
    "/api/alerts/webhook": {"title": "?", "text": "?", "?": {"?": "?"}},
    "/api/alerts/queue": {"action": "retry_some", "jobId": "?", "jobIds": ["?"], "by": "?"},
    "/api/snapshot/export": {"hours": "?", "format": "?"},
}


@pytest.fixture(autouse=True)
def written() -> Iterator[None]:
    """What is logged is written as in the service."""
    handler, logger = logs.LineHandler(io.StringIO()), logging.getLogger("webnext")
    handler.setFormatter(logs.JsonFormatter())
    before, logger.propagate = logger.level, False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    logger.setLevel(before)
    logger.propagate = True


def cost(made: Any, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> float:
    """The CPU of one request. One that is dear is sent again: other tests' garbage may be collected in the first."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), text.encode()) for name, text in (headers or {}).items()],
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    def once() -> float:
        began = time.process_time()
        asyncio.run(made.app(dict(scope), receive, send))
        return time.process_time() - began

    took = once()
    assert statuses, "it was answered"
    return min(took, once()) if took > SECONDS else took


def text(begin: str, repeated: str, end: str) -> str:
    return begin + repeated * ((LINE - len(begin) - len(end)) // len(repeated)) + end


@pytest.mark.parametrize("place", ["/", "/api/", "/dashboard?", "/api/alerts/dlq?offset="])
def test_no_path_is_dear(made: Any, place: str) -> None:
    costs = {shape: cost(made, "GET", place + text(*shape)) for shape in SHAPES}

    assert {shape: seconds for shape, seconds in costs.items() if seconds > SECONDS} == {}


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_is_dear(made: Any, name: str) -> None:
    entry = b'{"action": "a", "result": "ok"}'
    costs = {shape: cost(made, "POST", "/api/audit/push", PARENT | {name: text(*shape)}, entry) for shape in SHAPES}

    assert {shape: seconds for shape, seconds in costs.items() if seconds > SECONDS} == {}


@pytest.mark.parametrize("size", [MAX_DETAILS, MAX_BODY])
@pytest.mark.parametrize("keys", [True, False], ids=["keys", "texts"])
@pytest.mark.parametrize("path", BODIES)
def test_no_body_is_dear(made: Any, path: str, keys: bool, size: int) -> None:
    places = json.dumps(BODIES[path]).count('"?":' if keys else '"?"') - json.dumps(BODIES[path]).count('"?":') * (
        not keys
    )

    def put(value: Any, filling: str, key: bool = False) -> Any:
        if isinstance(value, dict):
            return {put(name, filling, True): put(inner, filling) for name, inner in value.items()}
        if isinstance(value, list):
            return [put(inner, filling) for inner in value]
        return filling if value == "?" and key == keys else value

    costs = {}
    for repeated in (*PAIRS, *MARKS) if places else ():
        often = (size - 400) // places // len(json.dumps(repeated, ensure_ascii=False)[1:-1].encode())
        body = json.dumps(put(BODIES[path], repeated * often), ensure_ascii=False).encode()
        assert size // 2 < len(body) <= size
        costs[repeated] = cost(made, "POST", path, body=body)
    assert {
        repeated: seconds
        for repeated, seconds in costs.items()
        if seconds > (SECONDS if size < MAX_BODY else LARGE_SECONDS)
    } == {}
