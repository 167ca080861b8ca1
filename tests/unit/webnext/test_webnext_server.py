"""What the service's HTTP server says by itself, before the application is asked."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from starlette.applications import Starlette

from tests.support.serving import served
from webnext.server import serve


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where an application is served as `serve` serves it."""
    told: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn, "run", lambda _app, **its: told.update(its))
        serve(Starlette(), 1)
    told.pop("port")
    with served(Starlette(), **told) as url:
        yield urlsplit(url).port or 0


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nX-Trace-Id: given-trace\r\nHost: a\r\nX-A: \x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Trace-Id: given-trace\r\nHost: a\r\nX-A: \x7f\r\n\r\n",
        b"GET /\x80 HTTP/1.1\r\nX-Trace-Id: given-trace\r\nHost: a\r\n\r\n",
        b"FOO / HTTP/1.1\r\nX-Trace-Id: given-trace\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x00\xff\r\n\r\n",
    ],
)
def test_what_it_cannot_read_is_refused_in_the_form_of_every_refusal(port: int, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(raw)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.decode().partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers, document = dict(line.split(": ", 1) for line in lines), json.loads(body)

    assert first == "HTTP/1.1 400 Bad Request"
    assert headers["content-type"] == "application/json"
    assert "x-trace-id" not in headers, "the edge takes an answer with one for the app's, which has not counted this"
    assert document["_err"] == "Invalid HTTP request received."
    assert (document["traceId"] == "given-trace") == (b"X-A" in raw), "what was read before"
