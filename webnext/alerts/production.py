"""The queue adapter over the real thing: outbox in Postgres, queues in Redis. Each stands in for the other."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from webnext.alerts import redis
from webnext.alerts.letter import Letter
from webnext.alerts.outbox import Counts, Outbox
from webnext.alerts.queues import BATCH, DELIVER, DLQ, Depth, Queues
from webnext.contract.alerts import AlertAnswer, DeadLetter, DeadLettersAnswer, QueueAnswer, headline, short
from webnext.dependency import AwayError, or_away
from webnext.postgres import Postgres
from webnext.settings import Adapter, Settings
from webnext.standing import Standing
from webnext.vault import Vault

REDIS_SECONDS = 1.0
LAST_RESORT_SECONDS = 3.0
"""For an alert that nothing has kept yet."""
PROVE_SECONDS = 0.9
LOOKED_UP = 200
"""Rows of the outbox whose jobs are looked for when alerts are counted; with more, those that are not are estimated."""
AT_A_TIME = 10
"""Dead letters in memory at a time: an alert is large, and ten times larger in memory."""
RETRIED = 1000
"""Dead letters that one request puts back: some seconds' work."""
RETRY_SECONDS = 1.0
"""Between the deliveries of two that are put back together, so that the receiver does not refuse them again."""
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
        self._redis = redis.dependency(REDIS_SECONDS)
        self._standing = Standing()
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
            with self._standing.use("accept"):
                await self._outbox.add(letter, seconds=ACCEPT_SECONDS)
        except AwayError:
            kept = False
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
        rows, depths = await asyncio.gather(
            or_away(self._outbox.counts()), or_away(self._redis.call(self._queues.depths))
        )
        missing: int | AwayError = 0
        if isinstance(rows, Counts) and rows.pending and not isinstance(depths, AwayError):
            missing = await or_away(self._missing(rows.pending, depths[DELIVER].total))
        away = [each for each in (depths, rows, missing) if isinstance(each, AwayError)]
        with suppress(AwayError), self._standing.use("counts"):
            if away:
                raise away[0]
        rows = Counts(0, 0, None) if isinstance(rows, AwayError) else rows
        if isinstance(depths, AwayError):
            return _answer(Depth(rows.pending, 0, 0, rows.oldest), rows.dead, mock=True)
        deliver, missing = depths[DELIVER], 0 if isinstance(missing, AwayError) else missing
        oldest = max(filter(None, (deliver.oldest, rows.oldest if missing else None)), default=deliver.oldest)
        held = deliver._replace(waiting=deliver.waiting + missing, oldest=oldest)
        return _answer(held, depths[DLQ].total, mock=bool(away))

    async def _missing(self, pending: int, queued: int) -> int:
        """How many accepted alerts wait in the outbox alone. Raises AwayError."""
        ids = await self._outbox.waiting(LOOKED_UP)
        where = await self._redis.call(lambda: self._queues.whereabouts(ids))
        return where.count(None) if pending <= LOOKED_UP else max(where.count(None), pending - queued)

    async def dead_letters(self, offset: int, limit: int) -> DeadLettersAnswer:
        async def queued(start: int, count: int) -> tuple[int, list[Letter]]:
            return await self._redis.call(lambda: self._queues.dead_letters(start, count))

        with suppress(AwayError), self._standing.use("dead letters"):
            return await _page(queued, offset, limit)
        with suppress(AwayError):
            return (await _page(self._outbox.dead_letters, offset, limit)).model_copy(update={"mock": True})
        return DeadLettersAnswer(total=0, items=[], mock=True)

    async def retry(self, ids: Sequence[str] | None) -> tuple[list[str], int]:
        every = (await self._redis.call(self._queues.dead_ids))[::-1] if ids is None else ids
        moved: dict[str, bool] = {}  # each with whether it has its row still, and no alert: they are large
        try:
            for job_id in every[:RETRIED]:
                letter = await self._redis.call(partial(self._queues.revive, job_id, len(moved) * RETRY_SECONDS))
                if letter:
                    moved[job_id] = letter.id == job_id
                    if not moved[job_id]:  # another alert has its id meanwhile, and its row will end with that
                        with suppress(AwayError):
                            await self._outbox.add(letter)
        except AwayError:
            if not moved:
                raise
        try:
            await self._outbox.reopened([job_id for job_id, has_row in moved.items() if has_row])
        except AwayError as error:  # the worker finds the jobs in deliver and opens the rows then
            log.info("rows in the outbox are reopened later, of %d alerts: %s", len(moved), error)
        return list(moved), len(every) - len(moved) if ids is None else 0

    async def purge(self) -> int:
        """Rows first: a dead letter whose row were still open would be put back by the worker."""
        ids = await self._redis.call(self._queues.dead_ids)
        purged = await self._outbox.purge(ids)
        ids = [*ids, *purged.difference(ids)]
        try:
            for start in range(0, len(ids), BATCH):
                batch = ids[start : start + BATCH]
                await self._redis.call(partial(self._queues.drop, batch), seconds=10)
                purged = purged.union(batch)
        except AwayError as error:
            if not purged:
                raise
            log.info("dead letters stay in dlq until the next purge: %s", error)
        return len(purged)

    async def ping(self) -> None:
        await self._standing.prove(self._prove)

    async def _prove(self) -> None:
        redis_writes = self._redis.call(self._queues.prove, seconds=PROVE_SECONDS)
        await asyncio.gather(redis_writes, self._outbox.prove(PROVE_SECONDS))


def _answer(deliver: Depth, dead: int, *, mock: bool) -> QueueAnswer:
    return QueueAnswer(
        pending=deliver.total,
        dlq=dead,
        waiting=deliver.waiting,
        active=deliver.active,
        delayed=deliver.delayed,
        oldestSec=deliver.oldest,
        mock=mock,
    )


async def _page(
    read: Callable[[int, int], Awaitable[tuple[int, Sequence[Letter]]]], offset: int, limit: int
) -> DeadLettersAnswer:
    """A page of what `read(offset, limit)` has, a few at a time."""
    total, items = 0, list[DeadLetter]()
    for start in range(offset, offset + limit, AT_A_TIME):
        total, found = await read(start, min(AT_A_TIME, offset + limit - start))
        items += [_dead_letter(one) for one in found]
        if start + AT_A_TIME >= total:
            break
    return DeadLettersAnswer(total=total, items=items, mock=False)


def _dead_letter(found: Letter) -> DeadLetter:
    last = found.errors[-1] if found.errors else {}
    try:
        died = datetime.fromisoformat(str(last.get("at")))
    except ValueError:
        died = None
    return DeadLetter(
        id=found.id,
        title=headline(found.alert),
        attempts=len(found.errors),
        lastError=short(str(last["error"]), 500) if "error" in last else None,
        diedAt=died,
        traceId=found.trace_id or None,
    )
