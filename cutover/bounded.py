"""Answers that end: an HTTP transport that gives up on whoever sends too slowly or too much.

A client's own time-out is of each wait alone, so who sends a little a second is listened to for ever. What is asked
here comes through an edge or a balancer, which pass on a head only as a whole: a body is what may go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

MOST = 16 * 2**20
"""Bytes of a body as it is sent; it is asked for as it is, since a few of a compressed one make gigabytes."""


@dataclass(frozen=True)
class Bounded(httpx.BaseTransport):
    """The same as `inner`, but a body that is not there `seconds` after it was asked for, and the wait that is on then,
    or that has more than MOST bytes, or is compressed, is an httpx.ReadError."""

    inner: httpx.BaseTransport
    seconds: float

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        until = time.monotonic() + self.seconds
        request.headers["accept-encoding"] = "identity"
        answer = self.inner.handle_request(request)
        assert isinstance(answer.stream, httpx.SyncByteStream)
        if answer.headers.get("content-encoding", "identity") != "identity":
            answer.close()
            raise httpx.ReadError("the body is compressed, and nobody asked for that")
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=_Body(answer.stream, until), extensions=answer.extensions
        )

    def close(self) -> None:
        self.inner.close()


@dataclass(frozen=True)
class _Body(httpx.SyncByteStream):
    inner: httpx.SyncByteStream
    until: float

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for part in self.inner:
            size += len(part)
            if size > MOST:
                raise httpx.ReadError(f"the body has more than {MOST} bytes")
            if time.monotonic() > self.until:
                raise httpx.ReadError("the body does not end")
            yield part

    def close(self) -> None:
        self.inner.close()
