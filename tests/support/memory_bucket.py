"""The records bucket in memory, with the calls of S3 that packs, approvals and the rollout's record make."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from cutover.evidence.bucket import RecordsBucket

WRITTEN = datetime(2026, 11, 29, 5, tzinfo=UTC)
"""When all of it was."""


class _Exceptions:
    class NoSuchKey(ClientError):  # type: ignore[misc]  # noqa: N818
        """As the client has it."""


@dataclass
class MemoryS3:
    """A client of S3. `away` lets it answer nobody; `refuses` is the code that every call is answered with but
    for listings, `conflicts` how many writes are answered first with S3's 409, `lost` of how many the answer is lost,
    so that the client's own second try finds what the first has stored."""

    objects: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, list[bytes]] = field(default_factory=dict)
    listed: str = "list_objects_v2"
    written: list[str] = field(default_factory=list)
    away: bool = False
    refuses: str = ""
    conflicts: int = 0
    lost: int = 0
    breaks_after: int | None = None
    exceptions = _Exceptions

    def _reach(self) -> None:
        if self.away:
            raise EndpointConnectionError(endpoint_url="http://records")

    def _refuse(self, call: str) -> None:
        if self.refuses:
            raise ClientError({"Error": {"Code": self.refuses, "Message": "no"}}, call)

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
    ) -> dict[str, str]:
        if self.breaks_after is not None and len(self.written) >= self.breaks_after:
            self.away = True
        self._reach()
        assert (IfNoneMatch == "*") != (IfMatch is not None)
        self._refuse("PutObject")
        if self.conflicts:
            self.conflicts -= 1
            raise ClientError({"Error": {"Code": "ConditionalRequestConflict", "Message": "at once"}}, "PutObject")
        if (Key in self.objects) if IfMatch is None else (_etag(self.objects.get(Key, b"")) != IfMatch):
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "there"}}, "PutObject")
        self.objects[Key] = Body
        self.versions.setdefault(Key, []).append(Body)
        self.written.append(Key)
        if self.lost:
            self.lost -= 1
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "there"}}, "PutObject")
        return {"ETag": _etag(Body)}

    def get_object(self, *, Bucket: str, Key: str, VersionId: str | None = None) -> dict[str, Any]:  # noqa: N803
        self._reach()
        self._refuse("GetObject")
        if VersionId is not None:
            return {"Body": io.BytesIO(self.versions[Key][int(VersionId)])}
        if Key not in self.objects:
            raise self.exceptions.NoSuchKey({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key]), "ETag": _etag(self.objects[Key])}

    def get_paginator(self, call: str) -> MemoryS3:
        return replace(self, listed=call)

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        self._reach()
        if self.listed == "list_object_versions":
            kept = [
                (key, n) for key, all_of in self.versions.items() for n in range(len(all_of)) if key.startswith(Prefix)
            ]
            return [{"Versions": [{"Key": key, "VersionId": str(n), "LastModified": WRITTEN} for key, n in kept]}]
        return [{"Contents": [{"Key": key}]} for key in sorted(self.objects) if key.startswith(Prefix)] or [{}]


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


@dataclass
class Memory:
    """A records bucket, and the client below it."""

    s3: MemoryS3 = field(default_factory=MemoryS3)

    @property
    def bucket(self) -> RecordsBucket:
        return RecordsBucket("records", self.s3)
