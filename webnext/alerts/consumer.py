"""Takes jobs from deliver and delivers them: BullMQ's worker, with what it does of a job made sure of."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from bullmq import Job, Queue, Worker
from bullmq.custom_errors import UnrecoverableError
from bullmq.redis_connection import loadScript
from opentelemetry.trace import Tracer
from redis.asyncio import Redis
from redis.exceptions import RedisError

from webnext import context, metrics, tracing
from webnext.alerts.foreign import tamed
from webnext.alerts.letter import attempt, letter_of
from webnext.alerts.pace import Pace
from webnext.alerts.queues import DELIVER, PREFIX
from webnext.alerts.redis import BLOCK_SECONDS
from webnext.alerts.slack import DeliveryError, Slack, ThrottledError
from webnext.dependency import AwayError, Dependency, one_line

CONCURRENCY = 5
LOCK_MS = 10_000
"""How long a job stays with a worker that was killed. A living worker renews this four times as often."""
STALLED_MS = 5_000
"""How often jobs without a lock are looked for: such a job is tried again LOCK_MS + 2 × STALLED_MS later at most."""
MAX_STALLED = 5
"""How many workers a job may outlive before it is a dead letter."""
AWAY_SECONDS = 0.5
"""Between two looks while Redis is away."""
GRACE_SECONDS = 8.0
"""For deliveries that have begun when it is to stop."""

log = logging.getLogger("webnext.alerts")

Settled = Callable[[str], Awaitable[None]]


class Consumer(Worker):  # type: ignore[misc]
    """One run of BullMQ's worker over `client`, which is its alone.

    `delivered` is told the id of each job that was delivered, `died` of each that failed for good; either may raise
    AwayError. A delivery whose job Redis does not let go counts as delivered, and may be repeated. One that the
    receiver had no room for waits in front of all others, and costs no attempt.
    """

    maximumBlockTimeout = BLOCK_SECONDS  # noqa: N815  (BullMQ's name)

    def __init__(
        self,
        client: Redis,
        redis: Dependency,
        slack: Slack,
        pace: Pace,
        delivered: Settled,
        died: Settled,
        tracer: Tracer,
    ) -> None:
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
            "limiter": pace.limiter,
        }
        super().__init__(DELIVER, None, options)
        self.seen = time.monotonic()
        """When it last looked for a job, or it was known that Redis is away."""
        self._free_at = 0.0
        self._redis = redis
        self._slack = slack
        self._pace = pace
        self._queue = Queue(DELIVER, {"connection": client, "prefix": PREFIX})
        self._give_back = client.register_script(loadScript("moveJobFromActiveToWait-9.lua"))
        self._delivered = delivered
        self._died = died
        self._tracer = tracer
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
        job, fetch, limited = None, super().getNextJob, self._free_at - time.monotonic()
        try:
            if limited > 0:  # which BullMQ's own loop does not wait for
                await asyncio.sleep(min(limited, BLOCK_SECONDS))
            elif not self.paused:
                job = await self._redis.call(lambda: fetch(token))
        except AwayError:  # which the dependency has said
            await asyncio.sleep(AWAY_SECONDS)
        self.seen = time.monotonic()
        if job and self.paused:  # taken meanwhile: BullMQ's loop looks at it no more
            await self.processJob(job, token)
            return None
        return job

    async def nextJobFromJobData(  # noqa: N802
        self, job_data: dict[str, str] | None = None, *about: Any, **more: Any
    ) -> Job | None:
        job: Job | None = await super().nextJobFromJobData(job_data and tamed(job_data), *about, **more)
        if not job and self.limitUntil:  # milliseconds, in which it would wait for a job to come
            self._free_at, self.drained = time.monotonic() + self.limitUntil / 1000, False
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
            begun = time.monotonic()
            try:
                with tracing.delivery_span(self._tracer, letter.trace_id):
                    await self._slack.deliver(letter.alert, letter.trace_id)
            except ThrottledError as error:
                await self._hold(job, token, self._pace.refused(begun, error.seconds), error)
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

    async def _hold(self, job: Job, token: str, seconds: float, why: ThrottledError) -> None:
        """What BullMQ's worker in Node does at a RateLimitError: nothing is taken from the queue for so long."""
        metrics.DELIVERIES.labels("held").inc()
        self.opts["limiter"] = self._pace.limiter
        log.info("alert %s waits, and all others with it, for %.3g s: %s", job.id, seconds, why)
        names = ("active", "wait", "stalled", "paused", "meta", "limiter", "prioritized", "marker", "events")
        try:
            await self._queue.rateLimit(math.ceil(1000 * seconds))
            await self._give_back([self.keys[name] for name in names], [job.id, token, self.backend.toKey(job.id)])
        except (RedisError, OSError) as error:
            log.warning("alert %s waits until its lock ends: %s", job.id, one_line(error))

    async def _completed(self, job: Job, token: str) -> None:
        metrics.DELIVERIES.labels("ok").inc()
        self._pace.took()
        self.opts["limiter"] = self._pace.limiter
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
