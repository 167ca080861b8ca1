"""Services whose answers a test sets, and an edge that limits or fails when a test says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webnext.contract.alerts import AlertAnswer, DeadLetter, DeadLettersAnswer, QueueAnswer
from webnext.contract.audit import AuditEntryV1, AuditItem, ListAnswer, PushAnswer
from webnext.contract.guardrails import Breach, GuardrailsAnswer
from webnext.settings import Adapter

STARTED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class _Part:
    """What all the doubles have: they are there at once and always answer."""

    adapter: Adapter = "production"

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def ping(self) -> None: ...


class SwitchedAudit(_Part):
    """Shows `items`, newest first, as a fallback's where `mock` is set."""

    def __init__(self) -> None:
        self.items: list[AuditItem] = []
        self.mock = False

    def add(self, action: str, **fields: Any) -> AuditItem:
        """Put an entry on top: by default of a success, a second after the one before it."""
        number = len(self.items) + 1
        given = {"result": "ok", "strategyId": f"strategy-{number}", "traceId": f"{number:032x}", **fields}
        item = AuditItem(id=number, ts=STARTED + timedelta(seconds=number), action=action, **given)
        self.items.insert(0, item)
        return item

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str | None = None) -> PushAnswer:
        return PushAnswer(id=self.add(entry.action, result=entry.result, traceId=entry.traceId or trace_id).id)

    async def newest(self, limit: int, trace_id: str | None = None, after: str | None = None) -> ListAnswer:
        return ListAnswer(mock=self.mock, items=self.items[:limit])

    async def since(self, hours: int) -> AsyncIterator[AuditItem]:
        for item in reversed(self.items):
            yield item


class SwitchedGuardrails(_Part):
    """Shows `breach`, as a fallback's where `mock` is set."""

    def __init__(self) -> None:
        self.mock = False
        self.thresholds = {"maxDrawdown": 0.15, "maxExposure": 0.8, "maxDailyLoss": 0.035}
        self.breach: Breach | None = None
        self.strategies = {"live": 12, "paused": 2, "paper": 5}

    async def read(self) -> GuardrailsAnswer:
        return GuardrailsAnswer(
            mock=self.mock, thresholds=self.thresholds, lastBreach=self.breach, strategies=self.strategies
        )


class SwitchedAlerts(_Part):
    """Shows the counts, as a fallback's where `mock` is set."""

    def __init__(self) -> None:
        self.mock = False
        self.dead = 0
        self.letters: list[DeadLetter] = []
        self.failure: Exception | None = None

    def bury(self, title: str, **fields: Any) -> DeadLetter:
        """Put a dead letter on top, a second after the one before it."""
        self.dead += 1
        given = {"attempts": 3, "lastError": "answered with status 500", "traceId": f"{self.dead:032x}", **fields}
        letter = DeadLetter(
            id=f"alert-{self.dead}", title=title, diedAt=STARTED + timedelta(seconds=self.dead), **given
        )
        self.letters.insert(0, letter)
        return letter

    async def accept(self, alert: dict[str, Any], trace_id: str) -> AlertAnswer:
        return AlertAnswer(jobId="1", mock=self.mock)

    async def counts(self) -> QueueAnswer:
        return QueueAnswer(pending=7, dlq=self.dead, waiting=4, active=2, delayed=1, oldestSec=95.0, mock=self.mock)

    async def dead_letters(self, offset: int, limit: int) -> DeadLettersAnswer:
        return DeadLettersAnswer(total=self.dead, items=self.letters[offset : offset + limit], mock=self.mock)

    async def retry(self, ids: Sequence[str] | None) -> tuple[list[str], int]:
        if self.failure:
            raise self.failure
        moved = [letter.id for letter in self.letters if ids is None or letter.id in ids]
        self.letters = [letter for letter in self.letters if letter.id not in moved]
        self.dead -= len(moved)
        return moved, 0

    async def purge(self) -> int:
        return self.dead


@dataclass(frozen=True)
class Asked:
    """One request to the API as it reached the edge."""

    method: str
    path: str
    trace_id: str


@dataclass
class Edge:
    """Stands where nginx stands. `retry_after` limits every request to the API, `faults` answers a path otherwise."""

    app: ASGIApp
    retry_after: str | None = None
    faults: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    """path → status, content type, body."""
    slow: dict[str, float] = field(default_factory=dict)
    """path → seconds before it answers."""
    asked: list[Asked] = field(default_factory=list)
    tracks: dict[str, str] = field(default_factory=dict)
    """path → the track that answers it, where it is not stable."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        send = _marked(send, self.tracks.get(path, "stable"))
        trace_id = Headers(scope=scope).get("x-trace-id", "")
        limited = None
        if path.startswith("/api/"):
            self.asked.append(Asked(scope["method"], path, trace_id))
            limited = self.retry_after
        await asyncio.sleep(self.slow.get(path, 0))
        if limited is not None:
            body = json.dumps({"_err": "rate limited", "traceId": trace_id}).encode()
            await _answer(send, 429, "application/json", body, trace_id, [(b"retry-after", limited.encode())])
        elif path in self.faults:
            await _answer(send, *self.faults[path], trace_id, [])
        else:
            await self.app(scope, receive, send)


def _marked(send: Send, track: str) -> Send:
    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-edge-track", track.encode())]
        await send(message)

    return marked


async def _answer(
    send: Send, status: int, kind: str, body: bytes, trace_id: str, headers: list[tuple[bytes, bytes]]
) -> None:
    given = [(b"content-type", kind.encode()), (b"x-trace-id", trace_id.encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": given})
    await send({"type": "http.response.body", "body": body})
