"""The spool: one object in S3 for each accepted entry that neither Postgres nor the executor could take."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from math import inf
from typing import Annotated, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from webnext import aws
from webnext.bucket import BrokenError, Bucket
from webnext.contract.audit import AuditEntryV1
from webnext.dependency import AwayError, Dependency
from webnext.services import KeyReusedError

PREFIX = "spool/audit/"
BAD = PREFIX + "bad/"
"""Where objects go that can never be replayed: a person has to look at them."""
LEAST_SECONDS = 1.5
"""The time that S3 needs for one entry: an entry that gets a thread with less than this left is refused."""
ANSWER_SECONDS = 3.0
"""How much longer to wait for an answer once an object was sent: who gives up sooner may refuse what S3 has kept."""
LATELY_SECONDS = 0.5
"""How long S3 counts as there after it answered."""
REPLAY_SECONDS = 5.0
"""For one object or page of the replay, which nobody waits for."""
THREADS = 12
"""Calls that go on at once; others wait for their turn."""

T = TypeVar("T")

log = logging.getLogger("webnext.audit")


class Spooled(BaseModel):
    """What an object holds. `traceId` is that of the request; the entry may have one of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    acceptedAt: datetime  # noqa: N815
    traceId: str | None  # noqa: N815
    actor: str | None = None
    entry: AuditEntryV1

    @property
    def name(self) -> str:
        """The object's name: the key's digest, because a key may hold what names may not."""
        return f"{PREFIX}{hashlib.sha256(self.key.encode()).hexdigest()}.json"


class Spool:
    """The objects under PREFIX. Every method raises AwayError."""

    def __init__(self, bucket: str, region: str | None) -> None:
        self.dependency = Dependency(
            "spool", errors=(BotoCoreError, ClientError, ResponseParserError, BrokenError), seconds=REPLAY_SECONDS
        )
        limits = aws.LIMITS.merge(Config(max_pool_connections=THREADS, read_timeout=ANSWER_SECONDS))
        self._bucket = Bucket(bucket, region, limits)
        self._answered = -inf
        # Threads of its own: this is an entry's last place, and no other call to AWS may hold it up.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="spool")
        self._free = asyncio.Semaphore(THREADS)

    def close(self) -> None:
        """End its threads once they have done what they began."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def put(self, spooled: Spooled, seconds: float = REPLAY_SECONDS) -> None:
        """Keep an entry; the same one again changes nothing. Raises KeyReusedError where its key holds another.

        It is sent within `seconds` or not at all, and only to an S3 that answered just now: an S3 that hangs could
        store it later, after the caller was told that it was refused.
        """
        deadline = time.monotonic() + seconds
        document = spooled.model_dump_json().encode()
        lately = time.monotonic() - self._answered < LATELY_SECONDS
        there = None if lately else await self._call(partial(self._bucket.read, spooled.name), seconds)
        while there is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise AwayError(self.dependency.name, "it took too long to answer")
            if await self._call(partial(self._bucket.write, spooled.name, document), left, answer=ANSWER_SECONDS):
                return
            there = await self._call(partial(self._bucket.read, spooled.name))
        try:
            same = _comparable(Spooled.model_validate_json(there)) == _comparable(spooled)
        except ValidationError as error:  # it waits to be set aside
            raise AwayError(self.dependency.name, f"{spooled.name} holds no entry") from error
        if not same:
            raise KeyReusedError("the idempotency key has already made another entry")

    async def pages(self) -> AsyncIterator[list[str]]:
        """The names of all objects, those of BAD too, up to 1000 at a time, the oldest of each page first."""
        token: str | None = None
        while True:
            names, token = await self._call(partial(self._bucket.page, PREFIX, token))
            yield names
            if not token:
                return

    async def read(self, name: str) -> bytes | None:
        """What an object holds, None where there is none of that name."""
        return await self._call(partial(self._bucket.read, name))

    async def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        await self._call(partial(self._bucket.remove, name))

    async def set_aside(self, name: str, body: bytes, why: str) -> None:
        """Move an object to BAD, and say so."""
        aside = BAD + name.removeprefix(PREFIX)
        await self._call(partial(self._bucket.write, aside, body, only_new=False))
        log.error("%s cannot be replayed, it is now %s: %s", name, aside, why)
        await self.delete(name)

    async def _call(self, work: Callable[[], T], seconds: float = REPLAY_SECONDS, *, answer: float = 0) -> T:
        """Return what `work` returns. It has `seconds` to begin, and these and `answer` seconds to end.

        Waiting for a thread does not count as a failure of S3.
        """
        deadline = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds if answer else seconds - LEAST_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise AwayError(self.dependency.name, f"all {THREADS} of its threads are busy") from None
        try:
            left = deadline - time.monotonic() + answer
            return await self.dependency.call(partial(self._in_thread, work), seconds=left)
        finally:
            self._free.release()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        result = await aws.in_thread(work, self._threads)
        self._answered = time.monotonic()
        return result


def _comparable(spooled: Spooled) -> str:
    return json.dumps(spooled.entry.model_dump(mode="json"), sort_keys=True)
