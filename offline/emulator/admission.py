"""Who may ask the emulator for what: this clone's processes and containers, for what local stacks are made of."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from offline.emulator import cors
from offline.emulator.patching import patch
from offline.machine import Machine

SERVED = (
    "cloudwatch",
    "cloudwatch_logs",
    "ec2",
    "elasticache",
    "iam",
    "imds",
    "kms",
    "rds",
    "s3",
    "secretsmanager",
    "sns",
    "ssm",
    "sts",
)
"""The emulator's modules that local stacks need. None runs a caller's code, or a container of a caller's choice."""
HEALTH, DATABASES = ADMIN_PATHS = ("/_ministack/health", "/_emulator/databases")
"""For processes of this machine. The emulator's other paths of its own are nobody's."""

METADATA = "/latest/"
"""Instance metadata, where a process without credentials gets its own."""

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class NotAdmittedError(Exception):
    """A request that is not answered. One line: the value seen and the rule."""


def narrow(app: Any, state: Path) -> None:
    """Refuses every service but those served, whichever way a request would reach it, and removes from the folder
    `state` what others had kept."""
    for file in state.glob("*.json"):
        if app._state_map.get(file.stem, file.stem) not in SERVED:
            file.unlink()
    for name, service in app.SERVICE_REGISTRY.items():
        if service["module"] not in SERVED:
            patch(app.SERVICE_HANDLERS, name, partial(_refusing, name))
    patch(app, "_get_module", lambda load: lambda name: load(name) if name in SERVED else _refuse(name))
    # Its own loads others. Of those served RDS alone must be there before it is asked for anything.
    patch(app, "_load_persisted_state", lambda _: lambda: app.load_state("rds") and app._get_module("rds"))


@dataclass(frozen=True)
class Admission:
    """The application in front of the emulator's, `app`: passes a request on, or answers 403 with the reason.

    `rules` returns the text of each CORS configuration of a bucket.
    """

    machine: Machine
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
                await _answer(guarded, 200, b"")
            else:
                await self.app(scope, receive, guarded)
        except NotAdmittedError as refusal:
            if begun:
                raise
            headers = []
            await _answer(guarded, 403, _explained(str(refusal)))

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
        if path not in ADMIN_PATHS and (path.startswith("/_") or path == "/health" or not path.startswith("/")):
            raise NotAdmittedError(
                f"path {path[:80]!r} is not answered: the emulator's own are {', '.join(ADMIN_PATHS)}"
            )

        signed = (
            any(name == b"authorization" for name, _ in scope["headers"])
            or b"X-Amz-Signature=" in scope["query_string"]
        )
        if not signed and scope["method"] != "OPTIONS" and not path.startswith((*ADMIN_PATHS, METADATA)):
            raise NotAdmittedError(f"{scope['method']} {path[:80]!r} is not signed: a stranger gets nothing")

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


def _refuse(name: str) -> Any:
    raise NotAdmittedError(f"service {name} is not answered: local stacks need {', '.join(SERVED)}")


def _refusing(name: str, _handler: Any) -> Callable[..., Awaitable[Any]]:
    async def handler(*_: Any) -> Any:
        try:
            _refuse(name)
        except NotAdmittedError as refusal:  # raised, it would be told as the emulator's own failure
            return 403, {"Content-Type": "text/xml"}, _explained(str(refusal))

    return handler


def _explained(reason: str) -> bytes:
    """An error as every AWS client reads one."""
    return (
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
        f"<Message>{escape(reason)}</Message></Error></ErrorResponse>\n"
    ).encode()


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"text/xml"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
