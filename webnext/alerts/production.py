"""The queue adapter over the real thing: outbox in Postgres, queues in Redis. Each stands in for the other."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from contextlib import suppress
from typing import Any

from webnext import context
from webnext.alerts import redis
from webnext.alerts.outbox import Counts, Outbox
from webnext.alerts.queues import DELIVER, DLQ, Letter, Queues
from webnext.contract import AlertAnswer, QueueAnswer
from webnext.dependency import AwayError, Dependency
from webnext.postgres import Postgres
from webnext.settings import Adapter, Settings
from webnext.vault import Vault

REDIS_SECONDS = 1.0
LAST_RESORT_SECONDS = 3.0
"""For an alert that nothing has kept yet."""
PING_SECONDS = 0.9
ACCEPT_SECONDS = 1.5
"""For the row of a new alert, after which Redis is to keep it."""

log = logging.getLogger("webnext.alerts")


class ProductionAlerts:
    """An alert is accepted once its row is in the outbox; queueing it may come later, by the worker."""

    adapter: Adapter = "production"

    def __init__(self, settings: Settings, vault: Vault, postgres: Postgres) -> None:
        self._postgres = postgres
        self._outbox = Outbox(postgres)
        self._client = redis.client(vault, settings.redis_ca_file)
        self._queues = Queues(self._client)
        self._redis = Dependency("redis", errors=redis.ERRORS, seconds=REDIS_SECONDS)
        self._connecting: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the pool and connect to Redis, so that the first request need not wait for it; returns at once."""
        await self._postgres.open()
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        with suppress(AwayError):
            await self._redis.call(self._queues.depths, seconds=10)

    async def close(self) -> None:
        """Close every connection."""
        if self._connecting:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        await self._client.connection_pool.aclose()
        await self._postgres.close()

    async def accept(self, alert: dict[str, Any], trace_id: str) -> AlertAnswer:
        letter = Letter(str(uuid.uuid4()), alert, trace_id, [], int(time.time() * 1000))
        kept = True
        try:
            await self._outbox.add(letter.id, alert, trace_id, seconds=ACCEPT_SECONDS)
        except AwayError as away:
            kept = False
            context.stand_in(away.dependency)
        try:
            await self._redis.call(
                lambda: self._queues.enqueue(letter), seconds=REDIS_SECONDS if kept else LAST_RESORT_SECONDS
            )
        except AwayError as error:
            if not kept:
                raise AwayError("alerts", "neither Postgres nor Redis could keep the alert") from error
            log.info("alert %s waits in the outbox until Redis is back: %s", letter.id, error)
        return AlertAnswer(jobId=letter.id, mock=not kept)

    async def counts(self) -> QueueAnswer:
        try:
            depths = await self._redis.call(self._queues.depths)
        except AwayError as away:
            context.stand_in(away.dependency)
            return await self._outbox_counts()
        deliver, dlq = depths[DELIVER], depths[DLQ]
        return QueueAnswer(
            pending=deliver.total,
            dlq=dlq.total,
            waiting=deliver.waiting,
            active=deliver.active,
            delayed=deliver.delayed,
            oldestSec=deliver.oldest,
            mock=False,
        )

    async def _outbox_counts(self) -> QueueAnswer:
        try:
            rows = await self._outbox.counts()
        except AwayError:
            rows = Counts(0, 0, None)
        waits = rows.pending
        return QueueAnswer(
            pending=waits, dlq=rows.dead, waiting=waits, active=0, delayed=0, oldestSec=rows.oldest, mock=True
        )

    async def retry(self, job_id: str) -> int:
        if not await self._redis.call(lambda: self._queues.revive(job_id)):
            return 0
        try:
            await self._outbox.reopened([job_id])
        except AwayError as error:  # the worker finds the job in deliver and opens the row then
            log.info("alert %s: its row in the outbox is reopened later: %s", job_id, error)
        return 1

    async def purge(self) -> int:
        """Rows first: a dead letter whose row were still open would be put back by the worker."""
        ids = await self._redis.call(self._queues.dead_ids)
        ids |= await self._outbox.purge()
        await self._redis.call(lambda: self._queues.drop(list(ids)), seconds=10)
        return len(ids)

    async def ping(self) -> None:
        await self._redis.call(self._queues.ping, seconds=PING_SECONDS)
