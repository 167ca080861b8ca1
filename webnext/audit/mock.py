"""The audit adapter as a mock: the executor's entries, and without one the newest of this process, gone with it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import islice

from webnext import context, metrics
from webnext.audit.own import actor_of, own_key
from webnext.audit.proxy import Proxy
from webnext.budget import BYTES
from webnext.contract.audit import AuditEntryV1, AuditItem, ListAnswer, PushAnswer
from webnext.contract.base import size_of
from webnext.dependency import AwayError
from webnext.executor import Executor
from webnext.services import KeyReusedError, Mock

KEPT = 500


class MockAudit(Mock):
    """Takes every entry and says of everything that it is a mock."""

    name = "audit"

    def __init__(self, executor: Executor | None = None) -> None:
        self._proxy = Proxy(executor or Executor(None))
        self._kept: dict[str, tuple[AuditEntryV1, AuditItem]] = {}
        self._bytes = 0

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str | None = None) -> PushAnswer:
        """Have the executor keep the entry, so that it outlives the mock, else this process."""
        key = key or own_key(str(uuid.uuid4()))
        try:
            await self._proxy.push(entry, trace_id, key)
        except AwayError:
            return self._remember(entry, trace_id, key)
        return PushAnswer(id=key, mock=True, via="executor")

    async def newest(self, limit: int, trace_id: str | None = None, after: str | None = None) -> ListAnswer:
        if after:  # a list of Postgres', which nothing here goes on from
            return ListAnswer(mock=True, items=[])
        try:
            return ListAnswer(mock=True, items=await self._proxy.newest(limit, trace_id))
        except AwayError:
            wanted = (item for _, item in reversed(self._kept.values()) if trace_id in (None, item.traceId))
            return ListAnswer(mock=True, items=list(islice(wanted, limit)))

    async def since(self, hours: int) -> AsyncIterator[AuditItem]:  # noqa: ARG002
        """An export has what a list has."""
        raise AwayError("mock", "the audit adapter is one")
        yield

    def _remember(self, entry: AuditEntryV1, trace_id: str, key: str) -> PushAnswer:
        if key not in self._kept:
            item = AuditItem.of(entry, key, datetime.now(UTC), trace_id, actor_of(entry))
            self._kept[key] = entry, item
            self._bytes += size_of(entry.stored_details)
            while len(self._kept) > KEPT or self._bytes > BYTES:
                self._bytes -= size_of(self._kept.pop(next(iter(self._kept)))[0].stored_details)
            metrics.AUDIT_INSERTS.labels("mock", context.traffic.get()).inc()
        elif self._kept[key][0] != entry:
            raise KeyReusedError("the idempotency key has already made another entry")
        return PushAnswer(id=key, mock=True, via="mock")
