"""Who may ask the emulator for what: this clone's processes and containers, for what local stacks are made of."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline.emulator import cors
from offline.emulator.refusal import NotAdmittedError
from offline.emulator.served import caller
from offline.emulator.sessions import Sessions
from offline.emulator.signatures import UNSIGNED, Claim, verify
from offline.machine import Machine

HEALTH, DATABASES = ADMIN_PATHS = ("/_ministack/health", "/_emulator/databases")
"""For processes of this machine, the second for the holder of the clone's key alone. The emulator's other paths of its
own are nobody's."""

OWN = ("/_", "/v20180820/")
"""How paths begin that the emulator answers before it looks for a service: its own, and those of S3 Control."""
METADATA = "/latest/"
"""Instance metadata, where a process without credentials gets its own."""
MOST_BYTES, MOST_STATED = 2**20, 2**27
"""Of a body that has to be read before anybody knows whose it is, and of one that its sender is known of before."""

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Admission:
    """The application in front of the emulator's, `app`: passes a request on, or says in its answer why not.

    `sessions` knows the callers; `processes` whether an address of the clone's network is a process's of the service:
    these alone get a role there; `rules` returns the text of each CORS configuration of a bucket.
    """

    machine: Machine
    sessions: Sessions
    processes: Callable[[str], bool]
    rules: cors.Rules
    app: Any

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        begun = False
        headers: cors.Headers = []

        async def guarded(message: Any) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": [*cors.without(message["headers"]), *headers]}
            await send(message)

        try:
            self._admit(scope)
            headers = self._cross_origin(scope)
            if scope["method"] == "OPTIONS":
                await answer(guarded, 200, {}, b"")
            else:
                await self.app(scope, await self._signed(scope, receive), guarded)
        except DisconnectedError:
            return
        except NotAdmittedError as refusal:
            if begun:
                raise
            headers = []
            as_json = any(name == b"x-amz-target" for name, _ in scope["headers"])
            await answer(guarded, *refusal.answer(as_json=as_json))

    def _admit(self, scope: Any) -> None:
        if scope["type"] != "http":
            raise NotAdmittedError(f"a {scope['type']} is not answered: the emulator speaks HTTP alone")
        peer = str(scope["client"][0])
        # Docker masquerades what this machine's processes send to the gateway as coming from any of its addresses.
        from_host = peer in own_addresses()
        if not from_host and ipaddress.ip_address(peer) not in ipaddress.ip_network(self.machine.subnet):
            raise NotAdmittedError(f"{peer} is not of this clone, whose network is {self.machine.subnet}")
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        relayed = from_host and len(hosts) == 1 and re.fullmatch(r"127\.0\.0\.1:\d+", hosts[0])  # nobody's to rebind
        if hosts != [self.machine.emulator.removeprefix("http://")] and not relayed:
            raise NotAdmittedError(f"host is {', '.join(hosts)[:80]!r}: the emulator is {self.machine.emulator} alone")
        path = str(scope["path"])
        if path in ADMIN_PATHS and not from_host:
            raise NotAdmittedError(f"{path} is for processes of this machine, not for containers")
        if path not in ADMIN_PATHS and (path.startswith(OWN) or path == "/health" or not path.startswith("/")):
            raise NotAdmittedError(
                f"path {path[:80]!r} is not answered: the emulator's own are {', '.join(ADMIN_PATHS)}"
            )

    async def _signed(self, scope: Any, receive: Receive) -> Receive:
        """Knows the caller by the signature, and returns what hands the whole body on. A client that goes away before
        its request is whole raises DisconnectedError: the emulator takes the end of a connection for the end of a body,
        and would make a bucket without the tags that a killed client had still to send."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if len(headers) < len(scope["headers"]):
            raise NotAdmittedError("a header is given twice")
        if "content-length" in headers and "transfer-encoding" in headers:
            raise NotAdmittedError("content-length and transfer-encoding: which of them is meant?", "InvalidRequest")
        query, path = scope["query_string"].decode("latin-1"), scope["raw_path"].decode("latin-1")
        claim = Claim.of(headers, query)
        if claim is None:
            if scope["path"] != HEALTH and not scope["path"].startswith(METADATA):
                raise NotAdmittedError(f"{scope['method']} {path[:80]!r} is not signed: a stranger gets nothing")
            peer = str(scope["client"][0])
            if peer not in own_addresses() and not await asyncio.to_thread(self.processes, peer):
                raise NotAdmittedError(f"{peer} is no process of the service: instance metadata has no role for it")
            return _replayed(await _whole(receive, MOST_BYTES), receive)
        body = b"" if claim.payload else await _whole(receive, MOST_BYTES)
        known = verify(
            claim,
            self.sessions,
            method=scope["method"],
            path=path,
            headers=headers,
            payload=claim.payload or hashlib.sha256(body).hexdigest(),
        )
        if scope["path"] == DATABASES and known.session:
            raise NotAdmittedError(f"{DATABASES} is for the holder of this clone's key")
        if claim.payload:
            body = await _whole(receive, MOST_STATED, "EntityTooLarge")
            if claim.payload != UNSIGNED and hashlib.sha256(body).hexdigest() != claim.payload:
                raise NotAdmittedError("the body is not what was signed", "XAmzContentSHA256Mismatch")
        caller.set(known)
        return _replayed(body, receive)

    def _cross_origin(self, scope: Any) -> cors.Headers:
        request = cors.Request.of(scope)
        if request.origin is None:
            if request.preflight:
                raise NotAdmittedError("OPTIONS has no origin: only a browser's question before a request is answered")
            return []
        for text in self.rules(request.bucket):
            if (found := cors.allowed(text, request)) is not None:
                return found
        raise NotAdmittedError(
            f"origin {request.origin[:80]!r}: no CORS rule of bucket {request.bucket[:63]!r} allows it {request.method}"
        )


def own_addresses() -> set[str]:
    """This machine's own IPv4 addresses, loopback and every bridge's among them."""
    return {*re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", Path("/proc/net/fib_trie").read_text())}


class DisconnectedError(Exception):
    """The client went away before it had sent its request."""


async def _whole(receive: Receive, most: int, code: str = "AccessDenied") -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        body += message.get("body", b"")
        if len(body) > most:
            raise NotAdmittedError(f"a body has {MOST_BYTES} bytes at most, with a signed hash {MOST_STATED}", code)
        more = message.get("more_body", False)
    return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Any:
        return left.pop() if left else await receive()

    return received


async def answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    """Answers a request whole, as XML if `headers` have no other content-type."""
    told = {"Content-Type": "text/xml", **headers, "Content-Length": str(len(body))}
    listed = [(name.lower().encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
