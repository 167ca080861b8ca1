"""The evidence adapter over S3; the executor takes its place while S3 is away."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from pydantic import ValidationError

from webnext import aws, context
from webnext.bucket import MAX_BYTES, BrokenError, Bucket, Uploaded, new_key
from webnext.contract.evidence import ArchiveAnswer, ArchiveRequest, EvidenceAnswer, EvidenceRequest
from webnext.dependency import AwayError, Dependency, one_line
from webnext.executor import Executor, RefusedError
from webnext.services import ArchivedError, NotUploadedError, TooLargeError
from webnext.settings import Adapter
from webnext.standing import Standing

T = TypeVar("T")
Given = TypeVar("Given", EvidenceAnswer, ArchiveAnswer)

CALL_SECONDS = 3.0
THREADS = 8
PROBE_SECONDS = 1.0
FRESH_SECONDS = 3.0
"""How long S3 counts as up after an answer. Signing asks nobody, so it would never notice an S3 that is away."""

_OWN_NAME = re.compile(r"/\d{8}T\d{12}Z-[0-9a-f]{8}\.zip$")


class S3Evidence:
    """Grants addresses in a bucket and keeps each object's metadata in a JSON object beside it."""

    adapter: Adapter = "production"

    def __init__(self, bucket: Bucket, executor: Executor, clock: Callable[[], float] = time.monotonic) -> None:
        self._bucket = bucket
        self._executor = executor
        self._clock = clock
        self._s3 = Dependency("s3", errors=(BotoCoreError, ResponseParserError, BrokenError), seconds=CALL_SECONDS)
        # Of their own: an S3 that hangs must not keep secrets and flags from being read.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="evidence")
        self._standing = Standing(clock)
        self._probe: asyncio.Task[None] | None = None
        self._fresh_until = float("-inf")

    async def open(self) -> None:
        """Begin to connect, so that the first grant need not wait for credentials."""
        self._probing()

    async def close(self) -> None:
        """Leave a probe that is under way behind."""
        if self._probe:
            self._probe.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ping(self) -> None:
        """Takes an answer within FRESH_SECONDS for one of now. Raises AwayError within PROBE_SECONDS."""
        await self._standing.prove(self._reached)

    async def _reached(self) -> None:
        if self._clock() >= self._fresh_until:
            await asyncio.shield(self._probing())

    async def grant(self, request: EvidenceRequest) -> EvidenceAnswer:
        key = new_key(request.runId or request.jobId or "")
        try:
            with self._standing.use("use"):
                await self._reached()
                put, get, ends = await self._call(lambda: self._bucket.sign(key, request.sizeBytes))
        except AwayError as away:
            body = request.model_dump(exclude_none=True)
            return await self._fall_back("/evidence/zip", body, EvidenceAnswer, {}, away)
        return EvidenceAnswer(uploadUrl=put, downloadUrl=get, key=key, expiresAt=ends, mock=False)

    async def archive(self, request: ArchiveRequest, trace_id: str) -> ArchiveAnswer:
        """Write KEY.json beside the object KEY, once: for the same object and metadata it is answered again.

        `claimedSha256` is the caller's word: S3 has no hash of a zip unless the upload's signature demanded one.
        An object that only the executor can have granted, or any while S3 is away, is the executor's to archive.
        """
        try:
            with self._standing.use("use"):
                await self._reached()
                found = await self._call(lambda: self._bucket.head(request.key))
                if found is not None:
                    return await self._keep(request, found, trace_id)
        except AwayError as away:
            return await self._archive_there(request, away)
        missing = NotUploadedError(f"there is no object {request.key}: PUT it to the uploadUrl first")
        if _OWN_NAME.search(request.key):
            raise missing
        try:
            return await self._archive_there(request, AwayError("s3", "the key is none of its grants"))
        except AwayError:
            raise missing from None

    async def _keep(self, request: ArchiveRequest, found: Uploaded, trace_id: str) -> ArchiveAnswer:
        if found.size > MAX_BYTES:
            await self._call(lambda: self._bucket.remove(request.key))
            raise TooLargeError(
                f"{request.key} had {found.size} bytes and is removed: evidence has {MAX_BYTES} at most"
            )
        metadata_key = f"{request.key}.json"
        facts = {
            "key": request.key,
            "runId": request.runId,
            "jobId": request.jobId,
            "sizeBytes": found.size,
            "etag": found.etag,
            "versionId": found.version,
            "claimedSha256": request.sha256,
            "metadata": request.metadata,
        }
        stamp = {"traceId": trace_id, "archivedAt": datetime.now(UTC).isoformat(timespec="milliseconds")}
        content = json.dumps(facts | stamp, indent=2).encode()

        def keep() -> None:
            written = self._bucket.write(metadata_key, content)
            if not written and facts != _without_stamp(self._bucket.read(metadata_key), stamp):
                raise ArchivedError(f"{metadata_key} is there with other metadata: it is written once")

        await self._call(keep)
        return ArchiveAnswer(key=request.key, metadataKey=metadata_key, sizeBytes=found.size, mock=False)

    async def _archive_there(self, request: ArchiveRequest, away: AwayError) -> ArchiveAnswer:
        body = request.model_dump(mode="json", exclude_none=True)
        return await self._fall_back("/evidence/archive", body, ArchiveAnswer, {"key": request.key}, away)

    async def _fall_back(
        self, path: str, body: dict[str, Any], shape: type[Given], known: dict[str, Any], away: AwayError
    ) -> Given:
        """The executor's answer, in the API's shape. Raises AwayError naming both causes."""
        try:
            answer = {**await self._executor.post(path, body), **known, "mock": True}
            given = shape.model_validate({name: value for name, value in answer.items() if name in shape.model_fields})
        except AwayError as error:
            if isinstance(error, RefusedError) and error.status == 409:
                raise ArchivedError(f"the executor has other metadata of {known.get('key')}") from None
            raise AwayError("evidence", f"{away}; {error}") from None
        except ValidationError:
            raise AwayError("evidence", f"{away}; executor: POST {path} answered no {shape.__name__}") from None
        context.stand_in(away.dependency)
        return given

    def _probing(self) -> asyncio.Task[None]:
        """The probe under way, a new one where there is none: however many wait, S3 is asked once."""
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(self._ask())
            self._probe.add_done_callback(lambda probe: probe.cancelled() or probe.exception())
        return self._probe

    async def _ask(self) -> None:
        await self._call(self._bucket.probe, PROBE_SECONDS)
        self._fresh_until = self._clock() + FRESH_SECONDS

    async def _call(self, work: Callable[[], T], seconds: float = CALL_SECONDS) -> T:
        """What a blocking `work` returns. Raises AwayError where S3 is away or refuses the app itself."""
        try:
            return await self._s3.call(lambda: aws.in_thread(work, self._threads), seconds=seconds)
        except AwayError:
            self._fresh_until = float("-inf")
            raise
        except ClientError as error:
            raise AwayError("s3", one_line(error)) from error


def _without_stamp(content: bytes | None, stamp: dict[str, str]) -> object:
    """The metadata in an object without its stamp, None where it holds none."""
    try:
        kept = json.loads(content or b"")
    except ValueError:
        return None
    return {name: value for name, value in kept.items() if name not in stamp} if isinstance(kept, dict) else None
