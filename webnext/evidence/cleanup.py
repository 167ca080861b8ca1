"""The clean-up job: evidence past its retention is deleted, and what was done is audited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from webnext import aws, logs, metrics
from webnext.audit.own import Action, audited
from webnext.bucket import MAX_BYTES, PREFIX
from webnext.dependency import AwayError, Dependency, every
from webnext.flags import POLL_SECONDS, Flags
from webnext.services import Audit
from webnext.settings import Settings

EVERY_SECONDS = 24 * 3600.0
"""Between two runs."""
MOST = 20_000
"""Objects deleted in one run: the next run goes on. Kept evidence is passed over, so no run starves behind it."""
BATCH = 1000
"""Keys of one page and of one DeleteObjects: S3's own limits."""
CALL_SECONDS = 35.0

ACTION: Action = "evidence.cleanup"

_threads = ThreadPoolExecutor(2, thread_name_prefix="cleanup")
"""Of its own: a listing that hangs must not keep secrets and flags from being read."""
_PATIENT = Config(read_timeout=30)  # a full batch takes S3 seconds

log = logging.getLogger("webnext.cleanup")


@dataclass(kw_only=True)
class Cleaned:
    """What a run did, or with `dry_run` would have done. `bytes` are those of `objects`, `oldest` the oldest's time.

    `too_large` of them were removed for their size, `failed` were refused by S3; `more` says that the run ended at its
    bound.
    """

    dry_run: bool
    objects: int = 0
    bytes: int = 0
    oldest: datetime | None = None
    too_large: int = 0
    failed: int = 0
    more: bool = False
    refusals: set[str] = field(default_factory=set)

    def details(self) -> dict[str, Any]:
        """The run as the audit log and the log line show it."""
        return {
            "dryRun": self.dry_run,
            "objects": self.objects,
            "bytes": self.bytes,
            "oldest": self.oldest.isoformat() if self.oldest else None,
            "tooLarge": self.too_large,
            "failed": self.failed,
            "more": self.more,
            **({"refusals": sorted(self.refusals)} if self.refusals else {}),
        }


@dataclass(frozen=True, kw_only=True)
class _Expired:
    key: str
    size: int
    modified: datetime


async def clean(
    settings: Settings,
    flags: Flags,
    audit: Audit,
    client: Any = None,
    now: datetime | None = None,
) -> Cleaned:
    """Delete the evidence that was put more than `retention_days` before `now`, or is larger than evidence may be, and
    audit it as ACTION.

    With EVIDENCE_CLEANUP_DRY_RUN in force it only counts; so it does where that flag cannot be read, because a
    deletion cannot be taken back. Raises AwayError where S3 is away or refuses the listing; what was deleted until
    then is audited. `client` is an S3 client of the caller's own.
    """
    done = Cleaned(dry_run=await _dry_run(settings, flags))
    cutoff = (now or datetime.now(UTC)) - timedelta(days=settings.retention_days)
    run = _Run(settings, client, done)
    error: AwayError | None = None
    try:
        await run.through(cutoff)
    except AwayError as away:
        error = away
    except asyncio.CancelledError:
        logs.unaudited(ACTION, done.details())
        raise
    details = done.details() | {"retentionDays": settings.retention_days} | ({"error": str(error)} if error else {})
    log.info("evidence clean-up", extra={"fields": details})
    await audited(audit, ACTION, details, "err" if error or done.failed else "ok")
    if error:
        raise error
    return done


async def _dry_run(settings: Settings, flags: Flags) -> bool:
    if not settings.flags_parameter:
        return flags.now.EVIDENCE_CLEANUP_DRY_RUN
    try:
        read = await flags.poll()
    except AwayError as error:
        log.warning("nothing will be deleted: the flags cannot be read: %s", error)
        return True
    return flags.now.EVIDENCE_CLEANUP_DRY_RUN or not read


class _Run:
    """One pass over the prefix, a page in memory at a time."""

    def __init__(self, settings: Settings, client: Any, done: Cleaned) -> None:
        self._settings = settings
        self._client = client
        self._done = done
        self._s3 = Dependency("s3", errors=(BotoCoreError, ClientError, ResponseParserError), seconds=CALL_SECONDS)

    async def through(self, cutoff: datetime) -> None:
        """Delete, or count, what is older than `cutoff`."""
        batch: list[_Expired] = []
        past = _Past(cutoff)
        async for page in self._pages():
            for found in past.of(page):
                if self._done.objects + self._done.failed + len(batch) == MOST:
                    self._done.more = True
                    await self._delete(batch)
                    return
                batch.append(found)
                if len(batch) == BATCH:
                    await self._delete(batch)
                    batch = []
        await self._delete(batch)

    async def _pages(self) -> AsyncIterator[list[dict[str, Any]]]:
        more: dict[str, str] = {}
        while True:
            answer = await self._ask("list_objects_v2", Prefix=PREFIX, MaxKeys=BATCH, **more)
            yield answer.get("Contents", [])
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    async def _delete(self, batch: list[_Expired]) -> None:
        refused: set[str] = set()
        if batch and not self._done.dry_run:
            keys = [{"Key": found.key} for found in batch]
            answer = await self._ask("delete_objects", Delete={"Objects": keys, "Quiet": True})
            errors = answer.get("Errors", [])
            refused = {error["Key"] for error in errors}
            self._done.refusals |= {str(error.get("Code")) for error in errors}
        gone = [found for found in batch if found.key not in refused]
        self._done.failed += len(refused)
        self._done.objects += len(gone)
        self._done.bytes += sum(found.size for found in gone)
        self._done.too_large += sum(found.size > MAX_BYTES for found in gone)
        times = [found.modified for found in gone] + ([self._done.oldest] if self._done.oldest else [])
        self._done.oldest = min(times, default=None)
        metrics.CLEANED.labels("dry_run" if self._done.dry_run else "deleted").inc(len(gone))

    async def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            if self._client is None:
                config = aws.LIMITS.merge(_PATIENT)
                self._client = aws.session().client("s3", region_name=self._settings.s3_region, config=config)
            answer: dict[str, Any] = getattr(self._client, operation)(Bucket=self._settings.s3_bucket, **parameters)
            return answer

        return await self._s3.call(lambda: aws.in_thread(ask, _threads))


class _Past:
    """Picks what is past the cutoff or too large; an object's metadata, which S3 lists right behind it, shares its
    fate."""

    def __init__(self, cutoff: datetime) -> None:
        self._cutoff = cutoff
        self._evidence = ""
        self._goes = False

    def of(self, page: list[dict[str, Any]]) -> Iterator[_Expired]:
        """The objects of one page that go, in the listing's order; pages must come in that order too."""
        for found in page:
            key, modified = found["Key"], found["LastModified"]
            goes = modified < self._cutoff or found["Size"] > MAX_BYTES
            if key == f"{self._evidence}.json":
                goes = self._goes
            elif not key.endswith(".json"):
                self._evidence, self._goes = key, goes
            if goes:
                yield _Expired(key=key, size=found["Size"], modified=modified)


async def clean_daily(settings: Settings, flags: Flags, audit: Audit) -> None:
    """Clean now and every EVERY_SECONDS, for ever; a run that fails is logged and the next one tries again. While
    ALERTS_CONSUME is off the worker rests, and a run waits: the other track's cleans."""

    async def turn() -> None:
        while not flags.now.ALERTS_CONSUME:
            await asyncio.sleep(POLL_SECONDS)
        await clean(settings, flags, audit)

    await every(EVERY_SECONDS, "the evidence clean-up", turn)
