"""HTTP/2 as no library writes it: bodies without a length, of a GET too, and headers that a client must not send."""

from __future__ import annotations

import json
import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

DATA, HEADERS, RESET, SETTINGS, PING, AWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
ACK = END_STREAM = 1
END_HEADERS = 4
Fields = Sequence[tuple[str, str]]


class Http2:
    """A connection, and what has come of it: by stream the status of the answer, and what may still be sent."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._seen, self._stream = connection, b"", -1
        self._room: dict[int, int] = {0: 65535}
        self._initial = 65535
        self.answers: dict[int, bytes] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self._write(PREFACE)
        self.read(0.2)

    def ask(
        self, method: str, path: str, fields: Fields = (), *, ends: bool = True, authority: str = "localhost"
    ) -> int:
        """Begins a request, whose body may follow where it does not end. Returns its stream."""
        self._stream += 2
        top = {":method": method, ":scheme": "https", ":path": path, ":authority": authority}
        block = b"".join(_literal(name, value) for name, value in [*top.items(), *fields])
        flags = END_HEADERS | (END_STREAM if ends else 0)
        self._write(_frame(HEADERS, flags, self._stream, block))
        self._room[self._stream] = self._initial
        return self._stream

    def send(self, stream: int, size: int, *, ends: bool = False) -> int:
        """Sends so much of a body, as far as the other side takes it. Returns how much that was."""
        sent = 0
        while sent < size and stream not in self.ended:
            piece = min(size - sent, 16384, self._room[stream], self._room[0])
            if piece <= 0:
                if not self.read(0.5):
                    break
                continue
            last = ends and sent + piece == size
            self._write(_frame(DATA, END_STREAM if last else 0, stream, bytes(piece)))
            self._room[stream], self._room[0] = self._room[stream] - piece, self._room[0] - piece
            sent += piece
        return sent

    def status(self, stream: int, seconds: float = 5) -> int | None:
        """The status of the answer, None where there is none in time."""
        while stream not in self.answers and stream not in self.ended and self.read(seconds):
            pass
        block = self.answers.get(stream, b"")
        indexed = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
        if not block or block[0] in indexed:
            return indexed.get(block[0]) if block else None
        return int(block[2:5])  # nginx writes it plainly, after the index of :status

    def body(self, stream: int) -> Any:
        """The JSON of the answer, once it is whole."""
        while stream not in self.ended and self.read(5):
            pass
        return json.loads(self.bodies[stream])

    def read(self, seconds: float) -> bool:
        """Takes what has come within so many seconds. Returns whether anything has."""
        self._connection.settimeout(seconds)
        came = False
        with suppress(OSError):
            while piece := self._connection.recv(65536):
                self._seen, came = self._seen + piece, True
                self._connection.settimeout(0.01)
        while len(self._seen) >= 9 and len(self._seen) >= 9 + (size := int.from_bytes(self._seen[:3])):
            kind, flags, stream = struct.unpack(">BBI", self._seen[3:9])
            self._take(kind, flags, stream, self._seen[9 : 9 + size])
            self._seen = self._seen[9 + size :]
        return came

    def _write(self, frame: bytes) -> None:
        self._connection.settimeout(5)
        self._connection.sendall(frame)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW:
            self._room[stream] = self._room.get(stream, self._initial) + int.from_bytes(payload)
        elif kind == SETTINGS and not flags & ACK:
            for place in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[place : place + 6])
                if name == 4:
                    self._initial = value
            self._write(_frame(SETTINGS, ACK, 0))
        elif kind == HEADERS:
            self.answers[stream] = payload
        elif kind == DATA:
            self.bodies[stream] = self.bodies.get(stream, b"") + payload
        if kind == RESET or (kind in (HEADERS, DATA) and flags & END_STREAM):
            self.ended.add(stream)


@contextmanager
def http2(port: int) -> Iterator[Http2]:
    """What `connected` gives, ready to ask."""
    with connected(port) as secured:
        yield Http2(secured)


def connected(port: int) -> ssl.SSLSocket:
    """A connection to this machine's port that has agreed on HTTP/2; nobody's certificate is asked for."""
    return _whoever().wrap_socket(socket.create_connection(("127.0.0.1", port)))


@cache
def _whoever() -> ssl.SSLContext:
    """Made once: it takes longer than a connection."""
    told = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    told.check_hostname, told.verify_mode = False, ssl.CERT_NONE
    told.set_alpn_protocols(["h2"])
    return told


def unfinished(fields: Fields, last: tuple[str, str], missing: int = 900) -> bytes:
    """All that a connection sends up to a request whose last header lacks its end: so many bytes."""
    top = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "localhost")]
    block = b"".join(_literal(name, value) for name, value in [*top, *fields, (last[0], last[1] + " " * missing)])
    block = block[:-missing]
    pieces = [block[place : place + 16384] for place in range(0, len(block), 16384)]
    frames = [_frame(HEADERS if piece is pieces[0] else CONTINUATION, 0, 1, piece) for piece in pieces]
    return PREFACE + b"".join(frames)


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + struct.pack(">BBI", kind, flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A header that is neither indexed nor shortened (RFC 7541, 6.2.2)."""
    parts = (name.encode("latin-1"), value.encode("latin-1"))
    return b"\x00" + b"".join(_length(len(part)) + part for part in parts)


def _length(size: int) -> bytes:
    """An integer of seven bits and what follows (RFC 7541, 5.1)."""
    if size < 127:
        return bytes([size])
    told, rest = b"\x7f", size - 127
    while rest > 127:
        told, rest = told + bytes([rest & 127 | 128]), rest >> 7
    return told + bytes([rest])


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(SETTINGS, 0, 0)
"""What a client begins with."""
