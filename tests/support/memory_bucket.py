"""The records bucket in memory, with the calls of S3 that packs, approvals and the rollout's record make."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from cutover.evidence.bucket import RecordsBucket


class _Exceptions:
    class NoSuchKey(ClientError):  # type: ignore[misc]  # noqa: N818
        """As the client has it."""


@dataclass
class MemoryS3:
    """A client of S3. `away` lets it answer nobody; `refuses` is the code that every write is answered with."""

    objects: dict[str, bytes] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    away: bool = False
    refuses: str = ""
    breaks_after: int | None = None
    exceptions = _Exceptions

    def _reach(self) -> None:
        if self.away:
            raise EndpointConnectionError(endpoint_url="http://records")

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
        if self.refuses:
            raise ClientError({"Error": {"Code": self.refuses, "Message": "no"}}, "PutObject")
        if (Key in self.objects) if IfMatch is None else (_etag(self.objects.get(Key, b"")) != IfMatch):
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "there"}}, "PutObject")
        self.objects[Key] = Body
        self.written.append(Key)
        return {"ETag": _etag(Body)}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        self._reach()
        if Key not in self.objects:
            raise self.exceptions.NoSuchKey({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key]), "ETag": _etag(self.objects[Key])}

    def get_paginator(self, _call: str) -> MemoryS3:
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        self._reach()
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
