"""A bucket of S3, call by call: of evidence, and of what waits to be audited. All of it blocks: use a thread."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from botocore.config import Config
from botocore.exceptions import ClientError

from webnext import aws

PREFIX = "evidence/"
CONTENT_TYPE = "application/zip"
MAX_BYTES = 100 * 2**20
"""The largest zip that may be evidence, 100 MiB."""

GRANT_SECONDS = 15 * 60
"""How long addresses work: enough for 100 MiB over a slow line, and no longer than botocore tries to keep the role's
credentials ahead of their end (its advisory refresh), so that an address does not die with the credentials first."""
REFUSED_REFRESH_SECONDS = 10 * 60
"""How long they work while no new credentials can be had: with less than this left botocore signs nothing."""

LOCK_SECONDS = 1.0
PAGE = 1000
"""Keys that are listed at a time."""

_PROBE = f"{PREFIX}.probe"
"""A key that no grant makes. Asking for it needs the right to get objects, and nothing else."""

_SIGNING = Config(
    signature_version="s3v4",
    # Left to itself botocore signs for the global endpoint, which redirects: a signature does not survive that.
    s3={"addressing_style": "virtual"},
    request_checksum_calculation="when_required",
)


class BrokenError(Exception):
    """S3 answered that it cannot: status 500 and above, or an answer to a probe that no working bucket gives."""


class Grant(NamedTuple):
    """Two addresses of one object; both end at `ends`."""

    put: str
    get: str
    ends: datetime


class Uploaded(NamedTuple):
    """An object as it is now. `version` is None in a bucket that keeps none."""

    size: int
    etag: str
    version: str | None


class Bucket:
    """One bucket, by one client made at the first call that finds credentials.

    Every call raises BotoCoreError where S3 or the credentials are out of reach, BrokenError where S3 cannot, and
    ClientError where it refuses.
    """

    def __init__(self, name: str, region: str | None, limits: Config = aws.LIMITS) -> None:
        self._name = name
        self._region = region
        self._config = limits.merge(_SIGNING)
        self._lock = threading.Lock()
        self._connected: tuple[Any, Any] | None = None

    def probe(self) -> None:
        """Return when S3 answers for this bucket, whether or not the probe's key is one that it would show."""
        try:  # without the right to list S3 hides what is missing
            found = self._ask("get_object", but=("NoSuchKey", "AccessDenied"), Key=_PROBE)
        except ClientError as error:
            raise BrokenError(str(error)) from error
        if found:
            found["Body"].close()

    def sign(self, key: str, size: int | None = None) -> Grant:
        """Sign the PUT, with content type, that it is new and the size in bytes if given; apart from it the GET."""
        client, credentials = self._connect()
        ends_soon = getattr(credentials, "refresh_needed", None)  # those of an account's user have no end
        seconds = REFUSED_REFRESH_SECONDS if ends_soon and ends_soon(GRANT_SECONDS) else GRANT_SECONDS
        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        where = {"Bucket": self._name, "Key": key}
        put = where | {"ContentType": CONTENT_TYPE, "IfNoneMatch": "*"} | ({"ContentLength": size} if size else {})
        return Grant(
            client.generate_presigned_url("put_object", Params=put, ExpiresIn=seconds),
            client.generate_presigned_url("get_object", Params=where, ExpiresIn=seconds),
            ends,
        )

    def head(self, key: str) -> Uploaded | None:
        """Return what is under the key, None where there is nothing, or nothing that the role may see."""
        try:
            found = self._ask("head_object", but=("404",), Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
                raise BrokenError(str(error)) from error
            self.probe()  # the answer to a HEAD does not say whether it was the key or the credentials
            return None
        if found is None:
            return None
        return Uploaded(found["ContentLength"], found["ETag"].strip('"'), found.get("VersionId"))

    def read(self, key: str) -> bytes | None:
        """Return an object's bytes, None where there is none."""
        found = self._ask("get_object", but=("NoSuchKey",), Key=key)
        return bytes(found["Body"].read()) if found else None

    def page(self, prefix: str, token: str | None) -> tuple[list[str], str | None]:
        """Return the keys below a prefix, PAGE at most, the oldest first, and what the next page goes on by."""
        after = {"ContinuationToken": token} if token else {}
        page = self._ask("list_objects_v2", Prefix=prefix, MaxKeys=PAGE, **after)
        found = sorted(page.get("Contents", []), key=lambda each: each["LastModified"])
        return [each["Key"] for each in found], page.get("NextContinuationToken")

    def write(self, key: str, content: bytes, *, only_new: bool = True) -> bool:
        """Put a JSON object; False where `only_new` and there is one."""
        given = {"Body": content, "ContentType": "application/json"} | ({"IfNoneMatch": "*"} if only_new else {})
        there = ("PreconditionFailed", "ConditionalRequestConflict")
        return self._ask("put_object", but=there, Key=key, **given) is not None

    def remove(self, key: str) -> None:
        """Delete an object. A bucket that keeps versions forgets it when they expire."""
        self._ask("delete_object", Key=key)

    def _ask(self, operation: str, *, but: Sequence[str] = (), **parameters: Any) -> Any:
        """What S3 answers, None where it refuses with one of the codes `but`."""
        client, _ = self._connect()
        try:
            return getattr(client, operation)(Bucket=self._name, **parameters)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise BrokenError(str(error)) from error
            if error.response["Error"]["Code"] in but:
                return None
            raise

    def _connect(self) -> tuple[Any, Any]:
        # Looking for credentials may hang for a minute: the threads that wait for it must not be all there are.
        if not self._lock.acquire(timeout=LOCK_SECONDS):
            raise BrokenError(f"no credentials yet: another call has been asking for more than {LOCK_SECONDS:g} s")
        try:
            if self._connected is None:
                session = aws.session()
                client = session.client("s3", region_name=self._region, config=self._config)
                self._connected = client, session.get_credentials()
            self._connected[1].get_frozen_credentials()  # renews them where their end is near
        except ClientError as error:  # STS's refusal; it must not pass for an answer of S3
            raise BrokenError(f"no credentials: {error}") from error
        else:
            return self._connected
        finally:
            self._lock.release()


def new_key(subject: str) -> str:
    """Return a key for a run's or job's next zip: in the order of their making, and never made twice."""
    return f"{PREFIX}{subject}/{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{secrets.token_hex(4)}.zip"
