"""Whoever begins a request and never ends it, many times over."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

HALF = b"GET / HTTP/1.1\r\nHost: "


@contextmanager
def half_requests(port: int, many: int, source: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """So many connections to a port of 127.0.0.1 while the block runs, each with the begin of a request, if it was
    taken. `source` is a loopback address that they come from."""
    with ExitStack() as stack:
        connections = [stack.enter_context(socket.socket()) for _ in range(many)]
        for connection in connections:
            connection.setblocking(False)
            connection.bind((source, 0))
            with suppress(OSError):  # in progress where the queue is full, reset where strangers are refused
                connection.connect(("127.0.0.1", port))
            with suppress(OSError):
                connection.send(HALF)
        yield connections
