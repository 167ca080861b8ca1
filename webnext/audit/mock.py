"""The audit adapter as a mock: the newest entries of this process, gone with it."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count, islice
from typing import NoReturn

from webnext import logs, metrics
from webnext.contract import AuditEntryV1, AuditItem, ListAnswer, PushAnswer
from webnext.dependency import AwayError
from webnext.services import KeyReusedError
from webnext.settings import Adapter

KEPT = 500


class MockAudit:
    """Takes every entry and says of everything that it is a mock."""

    adapter: Adapter = "mock"

    def __init__(self) -> None:
        self._numbers = count(1)
        self._items: deque[AuditItem] = deque(maxlen=KEPT)
        self._keys: deque[tuple[str, AuditEntryV1, PushAnswer]] = deque(maxlen=KEPT)

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str | None = None) -> PushAnswer:
        for known, other, answer in self._keys:
            if known == key:
                if other != entry:
                    raise KeyReusedError("the idempotency key has already made another entry")
                return answer
        item = AuditItem(
            id=next(self._numbers),
            ts=datetime.now(UTC),
            action=entry.action,
            result=entry.result,
            strategyId=entry.strategyId,
            traceId=entry.traceId or trace_id,
            details=entry.stored_details,
        )
        self._items.appendleft(item)
        metrics.AUDIT_INSERTS.labels("mock", logs.traffic.get()).inc()
        answer = PushAnswer(id=item.id, mock=True, via="mock")
        if key:
            self._keys.append((key, entry, answer))
        return answer

    async def newest(self, limit: int, trace_id: str | None = None) -> ListAnswer:
        wanted = (item for item in self._items if trace_id in (None, item.traceId))
        return ListAnswer(mock=True, items=list(islice(wanted, limit)))

    async def since(self, hours: int) -> AsyncIterator[AuditItem]:  # noqa: ARG002
        for item in reversed(list(self._items)):
            yield item

    async def ping(self) -> NoReturn:
        raise AwayError("audit", "the adapter is a mock")
