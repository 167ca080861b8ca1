"""The spool: one object in S3 for each accepted entry that neither Postgres nor the executor could take."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from math import inf
from typing import Annotated, Any, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from webnext import aws
from webnext.contract import AuditEntryV1
from webnext.dependency import AwayError, Dependency
from webnext.services import KeyReusedError

PREFIX = "spool/audit/"
BAD = PREFIX + "bad/"
"""Where objects go that can never be replayed: a person has to look at them."""
LEAST_SECONDS = 1.5
"""What an entry's caller must leave for it; an entry that waits for its turn until less is left is refused."""
REPLAY_SECONDS = 5.0
"""For one object or page of the replay, which nobody waits for."""
ANSWER_SECONDS = 0.5
"""What of that an entry's put must leave for its answer: later it is not sent."""
LATELY_SECONDS = 0.5
PAGE = 1000
"""Objects that are listed at a time."""
THREADS = 24
"""Calls that go on at once; others wait for their turn."""

_EXISTS = ("PreconditionFailed", "ConditionalRequestConflict")

T = TypeVar("T")

log = logging.getLogger("webnext.audit")


class Spooled(BaseModel):
    """What an object holds. `traceId` is that of the request; the entry may have one of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    acceptedAt: datetime  # noqa: N815
    traceId: str | None  # noqa: N815
    entry: AuditEntryV1

    @property
    def name(self) -> str:
        """The object's name: the key's digest, because a key may hold what names may not."""
        return f"{PREFIX}{hashlib.sha256(self.key.encode()).hexdigest()}.json"


class Spool:
    """The objects under PREFIX. Every method raises AwayError."""

    def __init__(self, bucket: str, region: str | None) -> None:
        self.dependency = Dependency(
            "spool", errors=(BotoCoreError, ClientError, ResponseParserError, ValidationError), seconds=REPLAY_SECONDS
        )
        self._bucket = bucket
        self._region = region
        self._client: Any = None
        self._answered = -inf
        self._connecting = threading.Lock()
        # Threads of its own: this is an entry's last place, and no other call to AWS may hold it up.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="spool")
        self._free = asyncio.Semaphore(THREADS)

    def close(self) -> None:
        """End its threads once they have done what they began."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def put(self, spooled: Spooled, seconds: float = REPLAY_SECONDS) -> None:
        """Keep an entry; the same one again changes nothing. Raises KeyReusedError where its key holds another."""
        await self._call(partial(self._keep, spooled=spooled, deadline=time.monotonic() + seconds), seconds)

    async def pages(self) -> AsyncIterator[list[str]]:
        """The names of all objects that wait, up to 1000 at a time, the oldest of each page first."""
        token: str | None = None
        while True:
            names, token = await self._call(partial(self._list, token=token))
            yield names
            if not token:
                return

    async def read(self, name: str) -> bytes | None:
        """What an object holds, None where there is none of that name."""
        return await self._call(partial(self._get, name=name))

    async def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        await self._call(lambda client: client.delete_object(Bucket=self._bucket, Key=name))

    async def set_aside(self, name: str, body: bytes, why: str) -> None:
        """Move an object to BAD, and say so."""
        aside = BAD + name.removeprefix(PREFIX)
        await self._call(lambda client: client.put_object(Bucket=self._bucket, Key=aside, Body=body))
        log.error("%s cannot be replayed, it is now %s: %s", name, aside, why)
        await self.delete(name)

    def _keep(self, client: Any, spooled: Spooled, deadline: float) -> None:
        # What is put to an S3 that hangs may be there later, after its caller was told that it is not: only one that
        # answered just now is given anything.
        lately = time.monotonic() - self._answered < LATELY_SECONDS
        there = None if lately else self._get(client, spooled.name)
        while there is None:
            if time.monotonic() > deadline - ANSWER_SECONDS:
                raise TimeoutError("not kept in time")
            if self._create(client, spooled):
                return
            there = self._get(client, spooled.name)
        if _comparable(Spooled.model_validate_json(there)) != _comparable(spooled):
            raise KeyReusedError("the idempotency key has already made another entry")

    def _create(self, client: Any, spooled: Spooled) -> bool:
        document = spooled.model_dump_json().encode()
        try:
            client.put_object(
                Bucket=self._bucket,
                Key=spooled.name,
                Body=document,
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if _code(error) in _EXISTS:
                return False
            raise
        return True

    def _list(self, client: Any, token: str | None) -> tuple[list[str], str | None]:
        after = {"ContinuationToken": token} if token else {}
        page = client.list_objects_v2(Bucket=self._bucket, Prefix=PREFIX, Delimiter="/", MaxKeys=PAGE, **after)
        found = sorted(page.get("Contents", []), key=lambda each: each["LastModified"])
        return [each["Key"] for each in found], page.get("NextContinuationToken")

    def _get(self, client: Any, name: str) -> bytes | None:
        try:
            body: bytes = client.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                return None
            raise
        return body

    async def _call(self, work: Callable[[Any], T], seconds: float = REPLAY_SECONDS) -> T:
        """What `work(client)` returns. The breaker does not count waiting for a turn."""
        deadline = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds - LEAST_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise AwayError(self.dependency.name, "too much waits for it") from None
        try:
            return await self.dependency.call(partial(self._in_thread, work), seconds=deadline - time.monotonic())
        finally:
            self._free.release()

    async def _in_thread(self, work: Callable[[Any], T]) -> T:
        result = await aws.in_thread(lambda: work(self._connected()), self._threads)
        self._answered = time.monotonic()
        return result

    def _connected(self) -> Any:
        with self._connecting:
            if self._client is None:
                limits = aws.LIMITS.merge(Config(max_pool_connections=THREADS))
                self._client = aws.session().client("s3", region_name=self._region, config=limits)
            return self._client


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _comparable(spooled: Spooled) -> str:
    return json.dumps(spooled.entry.model_dump(mode="json"), sort_keys=True)
