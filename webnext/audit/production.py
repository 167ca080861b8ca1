"""The audit adapter over the real thing: Postgres, else the executor, else the spool in S3."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache

from prometheus_client import Counter, Histogram

from webnext import context, metrics
from webnext.audit.log import Log
from webnext.audit.own import actor_of, own_key
from webnext.audit.proxy import Proxy
from webnext.audit.replay import Replayer
from webnext.audit.row import row_of
from webnext.audit.spool import LEAST_SECONDS, Spool, Spooled
from webnext.audit.writer import Writer
from webnext.contract.audit import AuditEntryV1, AuditItem, ListAnswer, PushAnswer
from webnext.dependency import AwayError, every
from webnext.executor import Executor
from webnext.postgres import Postgres
from webnext.settings import Adapter
from webnext.standing import Standing

SECONDS = 6.0
"""An entry is kept or refused within this time, even when everything hangs: two seconds for Postgres, two and a half
for the executor, the rest for the spool. Only an S3 that answered just now is waited for longer."""
REPLAY_SECONDS = 5.0
"""Between two looks at the spool."""


class ProductionAudit:
    """Keeps each entry in the first of three places that takes it: Postgres, the executor, the spool.

    The key is the same in all three. Where a place that seemed to fail did keep the entry, it is still one entry.
    """

    adapter: Adapter = "production"

    def __init__(self, postgres: Postgres, executor: Executor, spool: Spool | None) -> None:
        self._postgres = postgres
        self._log = Log(postgres)
        self._writer = Writer(postgres)
        self._proxy = Proxy(executor)
        self._spool = spool
        self._standing = Standing()
        self._replaying: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the pool and the replaying; returns at once."""
        for traffic in ("user", "smoke"):  # gates look for both before an entry has come
            _figures(traffic)
        await self._postgres.open()
        if self._spool:
            replayer = Replayer(self._postgres, self._writer, self._spool)
            self._replaying = asyncio.create_task(every(REPLAY_SECONDS, "replaying the spool", replayer.replay))

    async def close(self) -> None:
        """Write what waits, and stop."""
        if self._replaying:
            self._replaying.cancel()
        await self._writer.close()
        await self._postgres.close()
        if self._spool:
            self._spool.close()

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str | None = None) -> PushAnswer:
        """Within SECONDS. Raises UnstorableError too."""
        began = time.monotonic()
        key = key or own_key(secrets.token_hex(16))
        try:
            with self._standing.use("push"):
                written = await self._writer.append(row_of(entry, trace_id, key, actor=actor_of(entry)))
        except AwayError:
            return await self._fall_back(entry, trace_id, key, began + SECONDS)
        if written.fresh:
            inserts, seconds = _figures(context.traffic.get())
            inserts.inc()
            seconds.observe(time.monotonic() - began)
        return PushAnswer(id=written.id)

    async def newest(self, limit: int, trace_id: str | None = None, after: str | None = None) -> ListAnswer:
        """From Postgres, else the executor, else none. Those `after` a list are Postgres' alone."""
        with suppress(AwayError), self._standing.use("list"):
            items, more = await self._log.newest(limit, trace_id, after)
            return ListAnswer(mock=False, items=items, next=more)
        with suppress(AwayError):
            return ListAnswer(mock=True, items=[] if after else await self._proxy.newest(limit, trace_id))
        return ListAnswer(mock=True, items=[])

    def since(self, hours: int) -> AsyncIterator[AuditItem]:
        return self._log.since(hours)

    async def ping(self) -> None:
        await self._standing.prove(self._log.prove)

    async def _fall_back(self, entry: AuditEntryV1, trace_id: str, key: str, deadline: float) -> PushAnswer:
        with suppress(AwayError):
            await self._proxy.push(entry, trace_id, key)
            return PushAnswer(id=key, mock=True, via="executor")
        try:
            await self._put_down(entry, trace_id, key, deadline)
        except AwayError:
            metrics.AUDIT_REFUSED.inc()
            raise
        metrics.AUDIT_INSERTS.labels("spool", context.traffic.get()).inc()
        return PushAnswer(id=key, mock=True, via="spool")

    async def _put_down(self, entry: AuditEntryV1, trace_id: str, key: str, deadline: float) -> None:
        if not self._spool:
            raise AwayError("spool", "there is none: S3_BUCKET is not set")
        spooled = Spooled(
            key=key, acceptedAt=datetime.now(UTC), traceId=trace_id or None, actor=actor_of(entry), entry=entry
        )
        await self._spool.put(spooled, max(LEAST_SECONDS, deadline - time.monotonic()))


@cache
def _figures(traffic: str) -> tuple[Counter, Histogram]:
    """Of what Postgres keeps."""
    return metrics.AUDIT_INSERTS.labels("postgres", traffic), metrics.AUDIT_WRITE.labels(traffic)
