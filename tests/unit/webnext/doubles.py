"""An audit log in memory, for the application under test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import httpx

from webnext.audit import AuditUnavailableError
from webnext.entry import AuditEntry

Call = Callable[..., httpx.Response]


class MemoryAudit:
    """An audit log in a list; `failure` is raised by the next calls while it is set."""

    adapter: Literal["mock", "production"] = "production"

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.failure: Exception | None = None

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def append(self, entry: AuditEntry, trace_id: str) -> int:
        await self.ping()
        row = {
            "id": len(self.rows) + 1,
            "action": entry.action,
            "result": entry.result,
            "strategyId": entry.strategyId,
            "traceId": entry.traceId or trace_id,
            "details": entry.details_json(),
        }
        self.rows.append(row)
        return len(self.rows)

    async def newest(self, limit: int) -> list[dict[str, Any]]:
        await self.ping()
        return self.rows[::-1][:limit]

    async def ping(self) -> None:
        if self.failure:
            raise self.failure

    def go_away(self) -> None:
        self.failure = AuditUnavailableError("connection refused")
