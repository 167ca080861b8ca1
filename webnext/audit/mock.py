"""The audit adapter as a mock: the newest entries of this process, gone with it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count, islice
from typing import NamedTuple

from webnext import context, metrics
from webnext.budget import BYTES
from webnext.contract import AuditEntryV1, AuditItem, ListAnswer, PushAnswer
from webnext.services import KeyReusedError, Mock

KEPT = 500


class _Kept(NamedTuple):
    key: str | None
    entry: AuditEntryV1
    item: AuditItem


class MockAudit(Mock):
    """Takes every entry and says of everything that it is a mock."""

    name = "audit"

    def __init__(self) -> None:
        self._numbers = count(1)
        self._entries: deque[_Kept] = deque()
        self._bytes = 0

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str | None = None) -> PushAnswer:
        for kept in self._entries:
            if key and kept.key == key:
                if kept.entry != entry:
                    raise KeyReusedError("the idempotency key has already made another entry")
                return PushAnswer(id=kept.item.id, mock=True, via="mock")
        item = AuditItem(
            id=next(self._numbers),
            ts=datetime.now(UTC),
            action=entry.action,
            result=entry.result,
            strategyId=entry.strategyId,
            traceId=entry.traceId or trace_id,
            details=entry.stored_details,
        )
        self._entries.appendleft(_Kept(key, entry, item))
        self._bytes += entry.details_bytes
        while len(self._entries) > KEPT or self._bytes > BYTES:
            self._bytes -= self._entries.pop().entry.details_bytes
        metrics.AUDIT_INSERTS.labels("mock", context.traffic.get()).inc()
        return PushAnswer(id=item.id, mock=True, via="mock")

    async def newest(self, limit: int, trace_id: str | None = None) -> ListAnswer:
        wanted = (kept.item for kept in self._entries if trace_id in (None, kept.item.traceId))
        return ListAnswer(mock=True, items=list(islice(wanted, limit)))

    async def since(self, hours: int) -> AsyncIterator[AuditItem]:  # noqa: ARG002
        for kept in reversed(list(self._entries)):
            yield kept.item
