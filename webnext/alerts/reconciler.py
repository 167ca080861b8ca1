"""Brings the outbox and the queues together again, whatever either of them has lost or missed."""

from __future__ import annotations

import logging
from collections import defaultdict
from functools import partial

from webnext import metrics
from webnext.alerts.letter import Letter
from webnext.alerts.outbox import Counts, Outbox
from webnext.alerts.queues import BATCH, DELIVER, DLQ, Queues, Whereabouts
from webnext.dependency import AwayError, Dependency, or_away

CLAIM = 10
"""Rows of the outbox in memory at a time: an alert is large, and ten times larger in memory."""
TURN_CLAIMS = 100
"""Claims that one turn settles: a backlog is worked off over several."""

log = logging.getLogger("webnext.alerts")


class Reconciler:
    """Several may run at once: one of them claims each row, and doing the same twice changes nothing."""

    def __init__(self, outbox: Outbox, queues: Queues, redis: Dependency) -> None:
        self._outbox = outbox
        self._queues = queues
        self._redis = redis

    async def reconcile(self) -> None:
        """Bury what failed for good, then settle every open row that is due. Raises AwayError midway where Redis or
        Postgres is away; the next turn goes on from there."""
        for job_id in await self._redis.call(lambda: self._queues.failed(BATCH)):
            try:
                await self.bury(job_id)
            except AwayError:
                raise
            except Exception:  # it stays where it is, and all others go on
                log.exception("alert %s cannot become a dead letter", job_id)
        for _ in range(TURN_CLAIMS):
            rows = await self._outbox.claim(CLAIM)
            await self._settle(rows)
            if len(rows) < CLAIM:
                break

    async def bury(self, job_id: str) -> None:
        """Move a job that failed for good to dlq and say so in its row. Raises AwayError."""
        letter = await self._redis.call(lambda: self._queues.bury(job_id))
        if letter:
            log.warning("alert %s is a dead letter: %s", letter.id, _last(letter))
            await self._outbox.dead(letter)

    async def measure(self) -> None:
        """Set the gauges, and log them: those that the outbox knows, those that Redis does. Raises AwayError where
        nobody knows any."""
        counts = await or_away(self._outbox.counts())
        depths = await or_away(self._redis.call(self._queues.depths))
        oldest, dead, said = 0.0, 0, dict[str, float]()
        if isinstance(counts, Counts):
            metrics.OUTBOX_PENDING.set(counts.pending)
            oldest, dead, said = counts.oldest or 0.0, counts.dead, {"outboxPending": counts.pending}
        elif isinstance(depths, AwayError):
            raise counts
        if not isinstance(depths, AwayError):
            for name, depth in depths.items():
                metrics.QUEUE_OLDEST.labels(name).set(depth.oldest or 0)
                for state in ("waiting", "active", "delayed"):
                    metrics.QUEUE_JOBS.labels(name, state).set(getattr(depth, state))
            oldest, dead = max(oldest, depths[DELIVER].oldest or 0), depths[DLQ].total
        metrics.QUEUE_OLDEST.labels(DELIVER).set(oldest)
        metrics.say(oldestAlertSeconds=oldest, deadLetters=dead, **said)

    async def _settle(self, rows: list[Letter]) -> None:
        found = await self._redis.call(lambda: self._queues.whereabouts([row.id for row in rows]))
        groups: dict[tuple[bool, Whereabouts | None], list[Letter]] = defaultdict(list)
        for row, where in zip(rows, found, strict=True):
            groups[row.dead, where].append(row)
        for (dead, where), group in groups.items():
            ids = [row.id for row in group]
            if where in ("open", "completed") and dead:
                await self._outbox.reopened(ids)
            if where == "completed":
                await self._outbox.delivered(ids)
            elif where == "dead" and not dead:
                for row in group:
                    await self._dead(row)
            elif where is None:
                log.info("%d alerts were missing in Redis and are queued again", len(group))
                await self._redis.call(partial(self._queues.restore if dead else self._queues.enqueue, *group))

    async def _dead(self, row: Letter) -> None:
        letter = await self._redis.call(lambda: self._queues.letter(row.id))
        if letter:
            await self._outbox.dead(row._replace(errors=letter.errors))


def _last(letter: Letter) -> str:
    return str(letter.errors[-1].get("error")) if letter.errors else "no reason is known"
