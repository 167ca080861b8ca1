"""The spool: one object in S3 for each accepted entry that neither Postgres nor the executor could take."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from webnext import aws
from webnext.contract import AuditEntryV1
from webnext.dependency import Dependency
from webnext.services import KeyReusedError

PREFIX = "spool/audit/"
BAD = PREFIX + "bad/"
"""Where objects go that can never be replayed: a person has to look at them."""
SECONDS = 1.5

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
        self.dependency = Dependency("spool", errors=(BotoCoreError, ClientError, ValidationError), seconds=SECONDS)
        self._bucket = bucket
        self._region = region
        self._client: Any = None

    async def put(self, spooled: Spooled) -> None:
        """Keep an entry; the same one again changes nothing. Raises KeyReusedError where its key holds another."""
        await self._call(lambda client: self._keep(client, spooled))

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

    def _keep(self, client: Any, spooled: Spooled) -> None:
        # Read first: what is put to an S3 that hangs may be there later, after its caller was told that it is not.
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            there = self._get(client, spooled.name)
            if there is not None:
                if _comparable(Spooled.model_validate_json(there)) != _comparable(spooled):
                    raise KeyReusedError("the idempotency key has already made another entry")
                return
            if time.monotonic() < deadline and self._create(client, spooled):
                return
        raise TimeoutError(f"not kept within {SECONDS:g} s")

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
        page = client.list_objects_v2(Bucket=self._bucket, Prefix=PREFIX, Delimiter="/", **after)
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

    async def _call(self, work: Callable[[Any], T]) -> T:
        def with_client() -> T:
            self._client = self._client or aws.client("s3", self._region)
            return work(self._client)

        return await self.dependency.call(lambda: aws.in_thread(with_client))


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _comparable(spooled: Spooled) -> str:
    return json.dumps(spooled.entry.model_dump(mode="json"), sort_keys=True)
