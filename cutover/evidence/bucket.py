"""The records bucket: packs and approvals are written once, the rollout's record on the condition of what was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Any, Self

from cutover import aws
from cutover.errors import CutoverError, UnreachableError
from outputs.smoke import Places

CONTENT_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".gz": "application/gzip",
    ".html": "text/html; charset=utf-8",
    ".xml": "application/xml",
    ".md": "text/markdown; charset=utf-8",
}


ATTEMPTS = 3
"""How often a write is tried that another one of the same key is in the way of, by S3's 409."""


class ExistsError(CutoverError):
    """An object of that name is there already, or is another by now."""


@dataclass(frozen=True)
class RecordsBucket:
    """The bucket `name` through a client of S3.

    Every call raises UnreachableError when nobody answers, and when S3 does not do it: it is throttled or broken, or
    takes the credentials no more. What was to be written may then be there all the same.
    """

    name: str
    client: Any = field(repr=False)

    @classmethod
    def of(cls, places: Places, patience: aws.Patience = aws.PATIENT) -> Self:
        """The bucket of a base: the emulator's on docker stacks, else with the credentials of the environment."""
        return cls(places.records_bucket, aws.client("s3", places, patience))

    def at(self, key: str) -> str:
        """The address of a key, for people."""
        return f"s3://{self.name}/{key}"

    def put_new(self, key: str, content: bytes, content_type: str = "application/json") -> None:
        """Writes an object that is not there yet. Raises ExistsError when it is."""
        self._put(key, content, content_type, IfNoneMatch="*")

    def put_files(self, key: str, files: Mapping[str, bytes]) -> None:
        """Writes files below a key, in their order, each once; what a broken upload left is gone on with.

        Raises CutoverError when something else lies there.
        """
        for name, content in files.items():
            own = f"{key}/{name}"
            try:
                self.put_new(own, content, CONTENT_TYPES[PurePath(name).suffix])
            except ExistsError:
                if self.get(own) != content:
                    raise CutoverError(f"{self.at(own)} is there already, with another content: make it anew") from None

    def get(self, key: str) -> bytes | None:
        """An object's content; None when there is none."""
        found = self.read(key)
        return found[0] if found else None

    def read(self, key: str) -> tuple[bytes, str] | None:
        """An object's content and its ETag, which a conditional write asks for; None when there is none."""
        with self._said(key):
            try:
                answer = self.client.get_object(Bucket=self.name, Key=key)
            except self.client.exceptions.NoSuchKey:
                return None
            return answer["Body"].read(), answer["ETag"]

    def replace(self, key: str, content: bytes, etag: str | None) -> str:
        """Writes an object that is as it was read, or is not there yet where `etag` is None; returns the new ETag.

        Raises ExistsError when another is there by now.
        """
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        return self._put(key, content, "application/json", **condition)

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with the prefix."""
        with self._said(prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def versions(self, key: str) -> list[tuple[datetime, bytes]]:
        """Every version of an object that is kept: when it was written, and its content."""
        with self._said(key):
            pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=key)
            kept = [each for page in pages for each in page.get("Versions", ()) if each["Key"] == key]
            return [
                (
                    each["LastModified"],
                    self.client.get_object(Bucket=self.name, Key=key, VersionId=each["VersionId"])["Body"].read(),
                )
                for each in kept
            ]

    def _put(self, key: str, content: bytes, content_type: str, **condition: str) -> str:
        from botocore.exceptions import ClientError

        with self._said(key):
            for left in reversed(range(ATTEMPTS)):
                try:
                    answer = self.client.put_object(
                        Bucket=self.name, Key=key, Body=content, ContentType=content_type, **condition
                    )
                    return str(answer["ETag"])
                except ClientError as error:
                    if error.response["Error"]["Code"] != "ConditionalRequestConflict" or not left:
                        raise
        raise AssertionError("the last attempt has an answer or an error")

    @contextmanager
    def _said(self, key: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

        try:
            yield
        except (ConnectionError, HTTPClientError) as error:
            raise UnreachableError(
                f"the records bucket {self.name} does not answer ({error}): make up starts the emulator; on AWS look "
                "at the network and at proxies"
            ) from None
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("PreconditionFailed", "NoSuchKey"):
                raise ExistsError(f"{self.at(key)}: somebody else has written it: look at it") from None
            raise UnreachableError(
                f"{self.at(key)}: S3 answered {code} ({error.response['Error'].get('Message')}): try again, and where "
                "it refuses, look at who you are, aws sts get-caller-identity"
            ) from None
        except BotoCoreError as error:
            raise UnreachableError(f"{self.at(key)}: {error}; the credentials are those of the environment") from None
