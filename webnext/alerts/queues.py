"""The two BullMQ queues in Redis: `deliver`, and `dlq` for what could not be delivered. Node's BullMQ may share them.

A job's data is {"alert": {…}, "traceId": "…"}; a job whose data has no such alert is one as a whole. A dead letter's
data has "attempts", "errors" and "diedAt" beside them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from bullmq import Job, Queue
from redis.asyncio import Redis
from redis.exceptions import WatchError

PREFIX = "bull:alerts"
DELIVER, DLQ = "deliver", "dlq"
JOB = "alert"
"""Every job's name."""

ATTEMPTS = 3
BACKOFF = {"type": "exponential", "delay": 1000}
KEPT = {"age": 24 * 3600, "count": 1000}
"""Delivered jobs stay for a day, 1000 at most, for people to see and for the worker, which settles rows by them."""
OPTIONS = {"attempts": ATTEMPTS, "backoff": BACKOFF, "removeOnComplete": KEPT, "removeOnFail": False}

BATCH = 100
"""Jobs that one pipeline is about."""

_STATES = {"waiting": ("waiting", "paused", "prioritized"), "active": ("active",), "delayed": ("delayed",)}

Whereabouts = Literal["completed", "open", "dead"]


class Letter(NamedTuple):
    """What a job is about; `errors` are {"at", "error"} for each failed attempt, `created` in milliseconds."""

    id: str
    alert: dict[str, Any]
    trace_id: str
    errors: list[dict[str, Any]]
    created: int


class Depth(NamedTuple):
    """What one queue holds; `oldest` is the age in seconds of its oldest job that is not done, None without any."""

    waiting: int
    active: int
    delayed: int
    oldest: float | None

    @property
    def total(self) -> int:
        return self.waiting + self.active + self.delayed


class Queues:
    """The queues over one client. What Redis does not do in time raises redis' errors or OSError."""

    def __init__(self, client: Redis) -> None:
        self._redis = client
        options = {"connection": client, "prefix": PREFIX}
        self._deliver, self._dlq = Queue(DELIVER, options), Queue(DLQ, options)

    async def enqueue(self, *letters: Letter) -> None:
        """Queue alerts for delivery; those that are there already stay as they are."""
        await self._deliver.addBulk([_job(letter, _data(letter), OPTIONS) for letter in letters])

    async def restore(self, *letters: Letter) -> None:
        """Put dead letters that Redis lost into dlq again."""
        await self._dlq.addBulk([_job(letter, _dead_data(letter), {}) for letter in letters])

    async def failed(self, limit: int) -> list[str]:
        """The ids of jobs in deliver that have failed for good, the first to fail first."""
        return [str(job_id) for job_id in await self._redis.zrange(self._deliver.toKey("failed"), 0, limit - 1)]

    async def bury(self, job_id: str) -> Letter | None:
        """Move a job that has failed for good to dlq, with its history, in one transaction; return it as it is there.

        None where there is no such job (any more).
        """

        return await self._move(job_id, self._deliver, ("failed", "zscore"), self._dlq, _dead_data, {})

    async def revive(self, job_id: str) -> bool:
        """Move a dead letter back to deliver, all attempts before it; False where dlq has none of that id."""

        return await self._move(job_id, self._dlq, ("wait", "lpos"), self._deliver, _data, OPTIONS) is not None

    async def dead_ids(self) -> set[str]:
        """The ids of all dead letters."""
        return {str(job_id) for job_id in await self._redis.lrange(self._dlq.toKey("wait"), 0, -1)}

    async def drop(self, ids: Sequence[str]) -> None:
        """Remove dead letters."""
        for start in range(0, len(ids), BATCH):
            pipe = self._redis.pipeline(transaction=False)
            for job_id in ids[start : start + BATCH]:
                await _remove(self._dlq, job_id, pipe)
            await pipe.execute()

    async def whereabouts(self, ids: Sequence[str]) -> list[Whereabouts | None]:
        """Where each job is: `completed` or `open` in deliver, `dead` in dlq, None nowhere."""
        pipe = self._redis.pipeline(transaction=False)
        for job_id in ids:
            pipe.exists(self._dlq.toKey(job_id))
            pipe.exists(self._deliver.toKey(job_id))
            pipe.zscore(self._deliver.toKey("completed"), job_id)
        answers = iter(await pipe.execute())
        return [
            "dead" if dead else "completed" if completed is not None else "open" if there else None
            for dead, there, completed in zip(answers, answers, answers, strict=True)
        ]

    async def letter(self, job_id: str) -> Letter | None:
        """The dead letter of that id, if there is one."""
        job = await self._dlq.getJob(job_id)
        return letter_of(job) if job else None

    async def depths(self) -> dict[str, Depth]:
        """What both queues hold, by their names."""
        return {queue.name: await self._depth(queue) for queue in (self._deliver, self._dlq)}

    async def ping(self) -> None:
        """Return when Redis answers."""
        await self._redis.ping()

    async def _depth(self, queue: Queue) -> Depth:
        counts = await queue.getJobCounts(*(state for states in _STATES.values() for state in states))
        held = {name: sum(counts[state] for state in states) for name, states in _STATES.items()}
        return Depth(**held, oldest=await self._oldest(queue) if any(held.values()) else None)

    async def _oldest(self, queue: Queue) -> float | None:
        """Lists are pushed at the left and taken from the right; a delayed job has been tried and is soon due."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.lrange(queue.toKey("wait"), -1, -1)
        pipe.lrange(queue.toKey("active"), 0, -1)
        pipe.zrange(queue.toKey("delayed"), 0, 99)
        pipe.zrange(queue.toKey("prioritized"), 0, 0)
        ids = [job_id for found in await pipe.execute() for job_id in found]
        for job_id in ids:
            pipe.hget(queue.toKey(job_id), "timestamp")
        stamps = [int(stamp) for stamp in await pipe.execute() if stamp]
        return max(0.0, time.time() - min(stamps) / 1000) if stamps else None

    async def _move(
        self,
        job_id: str,
        source: Queue,
        state: tuple[str, str],
        target: Queue,
        data: Callable[[Letter], dict[str, Any]],
        options: dict[str, Any],
    ) -> Letter | None:
        """Add the job to `target` and remove it from `source` in one transaction, which any change of the job in
        between undoes: a kill leaves it in one of the two, and of two movers one moves it. `state` is where in
        `source` the job has to be, and the command that finds it there."""
        where, find = state
        key = source.toKey(job_id)
        pipe: Any
        async with self._redis.pipeline(transaction=True) as pipe:
            await pipe.watch(key)
            if await getattr(pipe, find)(source.toKey(where), job_id) is None:
                return None  # the id may be anybody's word, and the key one of BullMQ's own
            if not (raw := await pipe.hgetall(key)):
                return None
            letter = letter_of(Job.fromJSON(source, raw, job_id))
            made = _job(letter, data(letter), options)
            pipe.multi()
            await target.scripts.addJob(Job(target, made["name"], made["data"], made["opts"]), pipe)
            await _remove(source, job_id, pipe)
            try:
                await pipe.execute()
            except WatchError:
                return None
        return letter


def attempt(error: str) -> str:
    """An entry of a job's stack trace, where BullMQ keeps what went wrong at each attempt: when and what, as JSON."""
    return json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "error": error})


def letter_of(job: Job) -> Letter:
    """What a job of either queue is about."""
    data: dict[str, Any] = job.data if isinstance(job.data, dict) else {"text": str(job.data)}
    ours = isinstance(data.get("alert"), dict)
    errors = data.get("errors") if ours and isinstance(data.get("errors"), list) else None
    return Letter(
        id=job.id,
        alert=data["alert"] if ours else data,
        trace_id=str(data.get("traceId") or ""),
        errors=errors or [_entry(line) for line in job.stacktrace] or _reason(job),
        created=job.timestamp,
    )


async def _remove(queue: Queue, job_id: str, pipe: Any) -> None:
    """Have `pipe` remove a job that is not in work; BullMQ's own method takes no pipeline."""
    keys, arguments = [queue.toKey(job_id), queue.keys["repeat"]], [job_id, 0, queue.keys[""]]
    await queue.scripts.commands["removeJob"](keys=keys, args=arguments, client=pipe)


def _job(letter: Letter, data: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    return {"name": JOB, "data": data, "opts": options | {"jobId": letter.id, "timestamp": letter.created}}


def _data(letter: Letter) -> dict[str, Any]:
    return {"alert": letter.alert, "traceId": letter.trace_id}


def _dead_data(letter: Letter) -> dict[str, Any]:
    return _data(letter) | {
        "attempts": len(letter.errors),
        "errors": letter.errors,
        "diedAt": letter.errors[-1].get("at") if letter.errors else None,
    }


def _entry(line: str) -> dict[str, Any]:
    """An entry written by :func:`attempt`, or the first line of a stack trace that another worker left."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    return entry if isinstance(entry, dict) else {"at": None, "error": line.partition("\n")[0][:500]}


def _reason(job: Job) -> list[dict[str, Any]]:
    return [{"at": None, "error": str(job.failedReason)}] if job.failedReason else []
