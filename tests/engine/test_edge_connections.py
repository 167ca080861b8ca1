"""Connections that strangers open to the real nginx, and what each of them takes of its memory."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress

import docker as engine
import httpx
import pytest

from infra.nginx import PLAIN_KIB, TLS_KIB
from tests.support import http2
from tests.support.containers import docker
from tests.support.edge_lines import connected
from tests.support.edges import Edge, StartEdge, config

pytestmark = pytest.mark.engine

STRANGER, OTHER = "203.0.113.7", "198.51.100.7"
LINES = [f"X{number}: ".encode() + b"a" * 7900 + b"\r\n" for number in range(3)]
HEAD = b"GET / HTTP/1.1\r\nHost: l\r\n"
UNFINISHED = b"Y: " + b"b" * 7000
RECORD = b"\x17\x03\x03\x40\x00" + b"x" * 8
"""The beginning of one of 16 KiB."""
STAY = httpx.Limits(keepalive_expiry=120)


def kib(edge: Edge) -> int:
    """What the container has of memory, the kernel's part for its connections too."""
    with closing(engine.from_env()) as client:
        return int(client.api.stats(edge.id, stream=False, one_shot=True)["memory_stats"]["usage"]) // 1024


def plain(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("connect", "sent", "most"),
    [
        (connected, HEAD + LINES[0] + UNFINISHED, TLS_KIB),
        (http2.connected, http2.unfinished([("x0", "a" * 7900)], ("y", "b" * 7000)), TLS_KIB),
        (plain, HEAD + LINES[0] + UNFINISHED, PLAIN_KIB),
    ],
    ids=["HTTP/1.1", "HTTP/2", "without TLS"],
)
def test_a_connection_takes_no_more_than_what_the_number_of_them_was_computed_with(
    start_edge: StartEdge, connect: Callable[[int], socket.socket], sent: bytes, most: int
) -> None:
    """The largest head that nginx takes, but for its end, and then a record of TLS without its end."""
    with start_edge(config(tls=connect is not plain)) as edge, ExitStack() as open_:
        before = kib(edge)
        connections = [open_.enter_context(connect(edge.port)) for _ in range(400)]
        for connection in connections:
            connection.sendall(sent)
            os.write(connection.fileno(), RECORD)
        assert edge.client.get("/api/healthz").status_code == 200
        each = (kib(edge) - before) / len(connections)

    assert 0.5 * most < each <= most


def test_3000_slow_connections_and_70_unfinished_bodies_of_one_client_take_nothing_from_another(
    start_edge: StartEdge,
) -> None:
    """Most of the slow ones never end their head, large or as large as it may be; the others never end their body."""
    body = f"POST /api/audit/push HTTP/1.1\r\nHost: l\r\nX-Forwarded-For: {STRANGER}\r\nContent-Length: %d\r\n\r\n"
    slow = [HEAD + b"".join(LINES) + UNFINISHED] * 1500 + [HEAD + LINES[0] + UNFINISHED] * 1000
    slow += [(body % 2**18).encode() + bytes(5)] * 500
    whole = (body % 2**18).encode() + bytes(2**18 - 1)
    told = config(trusted_proxies=["GATEWAY"], rate_per_minute=6000, burst=1000)
    asked = {"x-forwarded-for": OTHER}
    with start_edge(told) as edge, ExitStack() as open_:
        others = [
            open_.enter_context(httpx.Client(base_url=edge.client.base_url, verify=False, trust_env=False, limits=STAY))
            for _ in range(8)
        ]
        kept = [other.get("/api/healthz", headers=asked).extensions["network_stream"] for other in others]
        for sent in slow + [whole] * 70:
            connection = open_.enter_context(connected(edge.port))
            with suppress(OSError):  # refused before it was read
                connection.sendall(sent)
        answers = [other.get("/api/healthz", headers=asked) for other in others * 3]

        assert [answer.status_code for answer in answers] == [200] * 24
        assert [answer.extensions["network_stream"] for answer in answers] == kept * 3, "no connection was lost"
        assert "exited" not in docker("logs", edge.id)
        assert docker("inspect", "--format", "{{.State.OOMKilled}} {{.RestartCount}}", edge.id) == "false 0"
