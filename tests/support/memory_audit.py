"""An audit log in memory, for the application under test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import httpx

from webnext.audit.own import actor_of
from webnext.contract.audit import AuditEntryV1, AuditItem, ListAnswer, PushAnswer
from webnext.dependency import AwayError
from webnext.settings import Adapter

Call = Callable[..., httpx.Response]


class MemoryAudit:
    """An audit log in a list; `failure` is raised by the next calls while it is set."""

    adapter: Adapter = "production"

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Be as at first."""
        self.rows: list[AuditItem] = []
        self.sent_keys: list[str | None] = []
        self.failure: Exception | None = None

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str | None = None) -> PushAnswer:
        await self.ping()
        row = AuditItem(
            id=len(self.rows) + 1,
            ts=datetime.now(UTC),
            action=entry.action,
            result=entry.result,
            strategyId=entry.strategyId,
            traceId=entry.traceId or trace_id,
            actor=actor_of(entry),
            details=entry.stored_details,
        )
        self.rows.append(row)
        self.sent_keys.append(key)
        return PushAnswer(id=len(self.rows))

    async def newest(self, limit: int, trace_id: str | None = None, after: str | None = None) -> ListAnswer:
        await self.ping()
        return ListAnswer(mock=False, items=self.rows[::-1][:limit])

    async def since(self, hours: int) -> AsyncIterator[AuditItem]:
        await self.ping()
        for row in self.rows:
            yield row

    async def ping(self) -> None:
        if self.failure:
            raise self.failure

    def go_away(self) -> None:
        self.failure = AwayError("postgres", "connection refused")
