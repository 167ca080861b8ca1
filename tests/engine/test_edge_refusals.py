"""What is no request, or none that the app's server would read: the real nginx says so itself."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.edge_answers import answered, is_json_with_a_trace, received
from tests.support.edges import Edge, StartEdge, config
from tests.support.http2 import http2

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def edge(start_edge: StartEdge) -> Iterator[Edge]:
    """An edge that limits the API to nobody's harm."""
    with start_edge(config(rate_per_minute=6000, burst=1000)) as running:
        yield running


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xff\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /../.. HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\n", 400),
        (b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 40_000 + b"\r\n\r\n", 400),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET / HTTP/3.7\r\nHost: a\r\n\r\n", 400),
        (b"GET /dashboard?\x80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /api/caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST /api/audit/push?\xff HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 400),
        (b"FOO /api/x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"PRI /api/x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"M-SEARCH /dashboard HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /.edge/unread HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
    ],
)
def test_what_nginx_refuses_itself_is_json_with_the_trace_id_and_the_headers(
    edge: Edge, raw: bytes, status: int
) -> None:
    answer = answered(edge, raw)

    assert is_json_with_a_trace(answer, status), answer


def test_http_at_the_port_of_https_is_refused_as_json(edge: Edge) -> None:
    with closing(socket.create_connection(("127.0.0.1", edge.port))) as plain:
        answer = received(plain, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")

    assert is_json_with_a_trace(answer, 400), answer


def test_whose_request_cannot_be_read_is_no_tracks_traffic(edge: Edge) -> None:
    answered(edge, b"NONSENSE\r\n\r\n")

    lines = [line for line in edge.log() if (line["status"], line["path"]) == (400, "/.edge/unread")]
    assert {(line["track"], line["answeredBy"]) for line in lines} == {("", "edge")}


def test_no_head_of_any_kind_gets_a_page_of_nginxs_own_or_a_500(edge: Edge) -> None:
    dice = random.Random(11)
    parts = [b"GET", b"POST", b" ", b"/", b"/api/", b"HTTP/1.1", b"HTTP/1.", b"\r\n", b"\n", b"Host: a", b":", b"\x00"]
    parts += [
        b"\xed\xa0\x80",
        b"%ed%a0%80",
        b"Content-Length: ",
        b"9" * 30,
        b"-1",
        b"Transfer-Encoding: chunked",
        b"[" * 900,
    ]
    parts += [
        b"Expect: 100-continue",
        b"Range: bytes=9-1,",
        b"If-Match: x",
        b"Upgrade: h2c",
        b"\r\n\r\n",
        b"{}",
        b"../",
    ]
    for _ in range(150):
        whole = b"GET /kept.js HTTP/1.1\r\nHost: a\r\n" if dice.random() < 0.5 else b""
        raw = whole + b"".join(dice.choices(parts, k=dice.randrange(3, 12))) + b"\r\nConnection: close\r\n\r\n"
        answer = answered(edge, raw)
        assert "<html" not in answer.lower(), raw
        assert not answer.startswith("HTTP/1.1 50"), (raw, answer)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/dashboard?\x80", 400),
        ("GET", "/api/caf\xe9", 400),
        ("FOO", "/api/x", 400),
        ("PRI", "/dashboard", 400),
    ],
)
def test_what_the_app_would_not_read_is_refused_by_http2_too(edge: Edge, method: str, path: str, status: int) -> None:
    with http2(edge.port) as client:
        stream = client.ask(method, path, [("x-trace-id", "not-for-the-app")])

        assert client.status(stream) == status
        assert client.body(stream)["traceId"] == "not-for-the-app"


@pytest.mark.parametrize("raw", [b"FOO /api/asked-by-name", b"GET /api/asked-by-byte?\x80"])
def test_what_the_app_would_not_read_is_asked_of_no_track(edge: Edge, raw: bytes) -> None:
    path = raw.split()[1].partition(b"?")[0].decode()
    answered(edge, raw + b" HTTP/1.1\r\nHost: a\r\n\r\n")

    (line,) = [line for line in edge.log() if line["path"] == path]
    assert (line["track"], line["answeredBy"], line["upstreamStatus"]) == ("", "edge", "")
