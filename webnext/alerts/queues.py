"""The two BullMQ queues in Redis: `deliver`, and `dlq` for what could not be delivered. Node's BullMQ may share them.

A job's data is {"alert": {…}, "traceId": "…"}; a job whose data has no such alert is one as a whole. A dead letter's
data has "attempts", "errors" and "diedAt" beside them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from bullmq import Job, Queue
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, WatchError

from webnext.alerts.foreign import BACKOFF, job_of, number
from webnext.alerts.letter import Letter, letter_of
from webnext.alerts.redis import PROOF
from webnext.contract.alerts import MAX_ID

PREFIX = "bull:alerts"
DELIVER, DLQ = "deliver", "dlq"
JOB = "alert"
"""Every job's name."""

ATTEMPTS = 3
KEPT = {"age": 24 * 3600, "count": 1000}
"""Delivered jobs stay for a day, 1000 at most, for people to see and for the worker, which settles rows by them."""
OPTIONS = {"attempts": ATTEMPTS, "backoff": BACKOFF, "removeOnComplete": KEPT, "removeOnFail": False}

BATCH = 100
"""Jobs that one pipeline is about."""
TURNS = 8
"""How often a move is begun anew while somebody else changes the job; it needs two of them."""

_PROOF = "redis.call('SET', KEYS[1], ''); return redis.call('DEL', KEYS[1])"
_STATES = {"waiting": ("waiting", "paused", "prioritized"), "active": ("active",), "delayed": ("delayed",)}

Whereabouts = Literal["completed", "open", "dead"]


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
        await _add(self._deliver, [_job(letter, _data(letter), OPTIONS) for letter in letters])

    async def restore(self, *letters: Letter) -> None:
        """Put dead letters that Redis lost into dlq again."""
        await _add(self._dlq, [_job(letter, _dead_data(letter), {}) for letter in letters])

    async def failed(self, limit: int) -> list[str]:
        """The ids of jobs in deliver that have failed for good, the first to fail first."""
        return [str(job_id) for job_id in await self._redis.zrange(self._deliver.toKey("failed"), 0, limit - 1)]

    async def bury(self, job_id: str) -> Letter | None:
        """Move a job that has failed for good to dlq, with its history; return it as it is there.

        None where there is no such job (any more).
        """
        return await self._move(job_id, self._deliver, ("failed", "zscore"), self._dlq, _dead_data, lambda _: {})

    async def revive(self, job_id: str, seconds: float = 0) -> Letter | None:
        """Move a dead letter back to deliver, due in so many seconds, all attempts before it; return it as it is there.

        None where dlq has none of that id.
        """

        def options(letter: Letter) -> dict[str, Any]:
            due = int(1000 * (time.time() + seconds)) - letter.created  # BullMQ counts from a job's own time
            return OPTIONS | ({"delay": due} if seconds else {})

        return await self._move(job_id, self._dlq, ("wait", "lpos"), self._deliver, _data, options)

    async def dead_ids(self) -> list[str]:
        """The ids of all dead letters, the newest first."""
        return [str(job_id) for job_id in await self._redis.lrange(self._dlq.toKey("wait"), 0, -1)]

    async def dead_letters(self, offset: int, limit: int) -> tuple[int, list[Letter]]:
        """How many dead letters there are, and a page of them, the newest first."""
        total = await self._redis.llen(self._dlq.toKey("wait"))
        ids = [str(job_id) for job_id in await self._redis.lrange(self._dlq.toKey("wait"), offset, offset + limit - 1)]
        pipe = self._redis.pipeline(transaction=False)
        for job_id in ids:
            pipe.hgetall(self._dlq.toKey(job_id))
        found = zip(ids, await pipe.execute(), strict=True)
        return total, [letter_of(job_of(self._dlq, raw, job_id)) for job_id, raw in found if raw]

    async def drop(self, ids: Sequence[str]) -> None:
        """Remove dead letters, BATCH at most."""
        pipe = self._redis.pipeline(transaction=False)
        for job_id in ids:
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
        raw: Any = await self._redis.hgetall(self._dlq.toKey(job_id))
        return letter_of(job_of(self._dlq, raw, job_id)) if raw else None

    async def depths(self) -> dict[str, Depth]:
        """What both queues hold, by their names."""
        return {queue.name: await self._depth(queue) for queue in (self._deliver, self._dlq)}

    async def prove(self) -> None:
        """Return when a job could be added: a key was written, and taken away again."""
        await self._redis.eval(_PROOF, 1, PROOF)

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
        stamps = [stamp for stamp in map(number, await pipe.execute()) if stamp]
        return max(0.0, time.time() - min(stamps) / 1000) if stamps else None

    async def _move(
        self,
        job_id: str,
        source: Queue,
        state: tuple[str, str],
        target: Queue,
        data: Callable[[Letter], dict[str, Any]],
        options: Callable[[Letter], dict[str, Any]],
    ) -> Letter | None:
        """Add the job to `target`, and once it is seen there remove it from `source`, each in a transaction that any
        change of the two in between undoes: a kill, or a Redis that takes only one of the two, leaves it in one of them
        at least, and the next move goes on from there. Of two movers one moves it. `state` is where in `source` the job
        has to be, and the command that finds it there. Where `target` has another job of that id, or the id is longer
        than a row's, this one gets an id of its own."""
        where, find = state
        for _ in range(TURNS):
            pipe: Any
            async with self._redis.pipeline(transaction=True) as pipe:
                try:
                    await pipe.watch(source.toKey(job_id))
                    if await getattr(pipe, find)(source.toKey(where), job_id) is None:
                        return None  # the id may be anybody's word, and the key one of BullMQ's own
                    if not (raw := await pipe.hgetall(source.toKey(job_id))):
                        return None
                    letter = letter_of(job_of(source, raw, job_id))
                    made = _job(letter, data(letter), options(letter))
                    is_there = await _placed(made, target, pipe)
                    pipe.multi()
                    if is_there:
                        await _remove(source, job_id, pipe)
                    else:
                        await target.scripts.addJob(Job(target, made["name"], made["data"], made["opts"]), pipe)
                    await pipe.execute()
                except (WatchError, NoScriptError):
                    continue
            if is_there:
                return letter._replace(id=made["opts"]["jobId"])
        raise WatchError(f"job {job_id} changes all the time")


async def _add(queue: Queue, jobs: list[dict[str, Any]]) -> None:
    try:
        await queue.addBulk(jobs)
    except NoScriptError:  # a primary that took over in between has seen no script yet
        await queue.addBulk(jobs)


async def _placed(made: dict[str, Any], target: Queue, pipe: Any) -> bool:
    """Whether `target` has the job already. Where another one has its id, or no row could hold it, it is given
    one that follows from it."""
    content = json.dumps(made["data"], separators=(",", ":"))  # as BullMQ writes it
    options = made["opts"]
    mark = hashlib.sha256(f"{options['timestamp']} {content}".encode()).hexdigest()[:12]
    ids = options["jobId"], f"{options['jobId'][:200]}-{mark}"
    for job_id in ids[len(ids[0]) > MAX_ID :]:
        options["jobId"] = job_id
        await pipe.watch(target.toKey(job_id))
        there = await pipe.hmget(target.toKey(job_id), "data", "timestamp")
        if there == [content, str(options["timestamp"])]:
            return True
        if there == [None, None]:
            return False
    raise WatchError(f"job {job_id} is another one")


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
