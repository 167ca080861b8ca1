"""What the real nginx answers to bytes as they are."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress

from tests.support.edge_lines import connected
from tests.support.edges import Edge

WHOLE = re.compile(rb".*?\r\ncontent-length: (\d+)\r\n.*?\r\n\r\n(.*)", re.DOTALL | re.IGNORECASE)
"""An answer's length, and its body so far."""


def answered(edge: Edge, raw: bytes) -> str:
    """The first answer, as far as it comes."""
    with connected(edge.port) as connection:
        return received(connection, raw)


def received(connection: socket.socket, raw: bytes) -> str:
    """The first answer, once what was sent is; empty where none has begun within 5 s."""
    connection.settimeout(5)
    seen = b""
    with suppress(OSError):
        connection.sendall(raw)
        while not (found := WHOLE.match(seen)) or len(found[2]) < int(found[1]):
            if not (piece := connection.recv(65536)):
                break
            seen += piece
    return seen.decode("latin-1")


def is_json_with_a_trace(answer: str, *statuses: int) -> bool:
    """Whether an answer of nginx's own has the form of every other, and one of the statuses."""
    top, _, body = answer.partition("\r\n\r\n")
    first, *lines = top.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    document = json.loads(body)
    return (
        int(first.split()[1]) in statuses
        and headers["content-type"] == "application/json"
        and headers["x-trace-id"] == document["traceId"].lower()
        and headers["x-frame-options"] == "deny"
        and "max-age=" in headers["strict-transport-security"]
        and document["_err"] != ""
    )
