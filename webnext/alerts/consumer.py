"""Takes jobs from deliver and delivers them: BullMQ's worker, with what it does of a job made sure of."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from bullmq import Job, Worker
from bullmq.custom_errors import UnrecoverableError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from webnext import context, metrics
from webnext.alerts.queues import DELIVER, PREFIX, attempt, letter_of
from webnext.alerts.redis import BLOCK_SECONDS
from webnext.alerts.slack import DeliveryError, Slack
from webnext.dependency import AwayError, one_line

CONCURRENCY = 5
LOCK_MS = 10_000
"""How long a job stays with a worker that was killed. A living worker renews this four times as often."""
STALLED_MS = 5_000
"""How often jobs without a lock are looked for: such a job is tried again LOCK_MS + 2 × STALLED_MS later at most."""
MAX_STALLED = 5
"""How many workers a job may outlive before it is a dead letter."""
GRACE_SECONDS = 8.0
"""For deliveries that have begun when it is to stop."""

log = logging.getLogger("webnext.alerts")

Settled = Callable[[str], Awaitable[None]]


class Consumer(Worker):  # type: ignore[misc]
    """One run of BullMQ's worker over `client`, which is its alone.

    `delivered` is told the id of each job that was delivered, `died` of each that failed for good; either may raise
    AwayError. A delivery whose job Redis does not let go counts as delivered, and may be repeated.
    """

    maximumBlockTimeout = BLOCK_SECONDS  # noqa: N815  (BullMQ's name)

    def __init__(self, client: Redis, slack: Slack, delivered: Settled, died: Settled) -> None:
        options = {
            "connection": client,
            "prefix": PREFIX,
            "autorun": False,
            "concurrency": CONCURRENCY,
            "lockDuration": LOCK_MS,
            "stalledInterval": STALLED_MS,
            "maxStalledCount": MAX_STALLED,
            "drainDelay": BLOCK_SECONDS,
            "runRetryDelay": 500,
        }
        super().__init__(DELIVER, None, options)
        self.seen = time.monotonic()
        """When it last looked for a job."""
        self._slack = slack
        self._delivered = delivered
        self._died = died
        self.on("error", lambda error, *_: log.info("BullMQ: %s", one_line(error)))
        self.on("stalled", lambda job_id: log.warning("alert %s is tried again: its worker is gone", job_id))

    async def stop(self) -> None:
        """Take no more jobs, finish those that have begun within GRACE_SECONDS, end."""
        await self.pause(do_not_wait_active=True)
        deadline, begun = time.monotonic() + GRACE_SECONDS, True
        while begun and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            begun = not all(task.done() for task in self.processing)
        await self.close(force=True)

    async def getNextJob(self, token: str) -> Job | None:  # noqa: N802
        self.seen = time.monotonic()
        job = None if self.paused else await super().getNextJob(token)
        if job and self.paused:  # taken meanwhile: BullMQ's loop looks at it no more
            await self.processJob(job, token)
            return None
        return job

    async def processJob(self, job: Job, token: str) -> None:  # noqa: N802
        """Replaces BullMQ's own, which counts a delivery as failed where it could not complete the job."""
        self.jobs.add((job, token))
        self.lockManager.track_job(job.id, token, int(time.time() * 1000))
        letter = letter_of(job)
        traced = context.trace_id.set(letter.trace_id or None)
        try:
            if job.deferredFailure:
                await self._failed(job, token, UnrecoverableError(job.deferredFailure))
                return
            try:
                await self._slack.deliver(letter.alert, letter.trace_id)
            except DeliveryError as error:
                await self._failed(job, token, error)
            else:
                await self._completed(job, token)
        except AwayError as error:
            log.info("alert %s: its outcome is recorded later: %s", job.id, error)
        except Exception:
            log.exception("alert %s could not be handled", job.id)
        finally:
            context.trace_id.reset(traced)
            self.jobs.discard((job, token))
            self.lockManager.untrack_job(job.id)

    async def _completed(self, job: Job, token: str) -> None:
        metrics.DELIVERIES.labels("ok").inc()
        try:
            await job.moveToCompleted("delivered", token)
        except (RedisError, OSError, TypeError) as error:  # TypeError: the lock or the job is gone, says BullMQ
            log.warning(
                "alert %s was delivered but stays in the queue, and may be delivered again: %s", job.id, one_line(error)
            )
        await self._delivered(job.id)

    async def _failed(self, job: Job, token: str, error: Exception) -> None:
        entry = attempt(one_line(error))
        job.updateStacktrace = lambda: job.stacktrace.append(entry)  # in place of a Python traceback
        job.opts["removeOnFail"] = False  # whatever its producer wished: it is to be buried
        try:
            await job.moveToFailed(error, token)
        except (RedisError, OSError, TypeError) as reason:
            log.warning("alert %s failed and Redis did not record it: %s", job.id, one_line(reason))
            return
        for_good = bool(job.finishedOn)
        metrics.DELIVERIES.labels("dead" if for_good else "failed").inc()
        log.info("alert %s: attempt %d failed: %s", job.id, job.attemptsMade, one_line(error))
        if for_good:
            await self._died(job.id)
