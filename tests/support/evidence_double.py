"""The bucket of evidence in a dictionary, and an executor that stands in for it, as S3Evidence takes both."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from botocore.exceptions import ClientError, ConnectTimeoutError

from webnext.bucket import Bucket, Grant, Uploaded
from webnext.executor import Executor

ENDS = datetime(2026, 1, 1, tzinfo=UTC)
"""When each grant ends."""
DOWN = ConnectTimeoutError(endpoint_url="http://s3")
KEY = "evidence/run-1/20260101T000000000000Z-0a1b2c3d.zip"
"""A key as a grant has it."""


def refusal(code: str, status: int = 403) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


class MemoryBucket(Bucket):
    """A bucket in a dictionary; `failure` is raised by every call while it is set."""

    def __init__(self) -> None:
        super().__init__("evidence-test", "eu-central-1")
        self.objects: dict[str, Uploaded] = {}
        self.written: dict[str, bytes] = {}
        self.writes = 0
        self.probes = 0
        self.failure: Exception | None = None
        self.holds: threading.Event | None = None

    def probe(self) -> None:
        self.probes += 1
        if self.holds:
            self.holds.wait(5)
        self._fail()

    def sign(self, key: str, size: int | None = None) -> Grant:
        self._fail()
        return Grant(f"https://s3/{key}?put={size}", f"https://s3/{key}?get", ENDS)

    def head(self, key: str) -> Uploaded | None:
        self._fail()
        return self.objects.get(key)

    def read(self, key: str) -> bytes:
        return self.written[key]

    def write(self, key: str, content: bytes, *, only_new: bool = True) -> bool:
        if key in self.written:
            return False
        self.written[key] = content
        self.writes += 1
        return True

    def remove(self, key: str) -> None:
        self._fail()
        del self.objects[key]

    def _fail(self) -> None:
        if self.failure:
            raise self.failure


def executor(answer: Any = None, status: int = 200) -> tuple[Executor, list[tuple[str, Any]]]:
    """An executor that gives one answer, and what it was sent; without an answer it is away."""
    asked: list[tuple[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.path, json.loads(request.content)))
        if answer is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, json=answer)

    return Executor("http://executor", httpx.MockTransport(handle)), asked


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        return await work()

    return asyncio.run(whole())
