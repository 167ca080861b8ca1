"""An ASGI application whose answers a test changes on their way out, and the changes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import generate_latest
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Answer:
    """What the application answered to `method` and `path`; `sent` is the request's body."""

    method: str
    path: str
    request: Headers
    sent: bytes
    status: int
    headers: dict[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value).encode()


Change = Callable[[Answer], object]


@dataclass
class Target:
    """The application with the process's metrics at /metrics and its `log` at /log; `change`, while it is set, sees
    each answer."""

    app: ASGIApp
    url: str = ""
    change: Change | None = None
    log: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = Answer(scope["method"], scope["path"], Headers(scope=scope), b"", 200, {})
        if answer.path == "/metrics":
            answer.body = generate_latest()
        elif answer.path == "/log":
            answer.body = self.log.encode()
        else:
            await self._fill(answer, scope, receive)
        if self.change:
            self.change(answer)
        answer.headers["content-length"] = str(len(answer.body))
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if answer.method == "HEAD" else answer.body})

    async def _fill(self, answer: Answer, scope: Scope, receive: Receive) -> None:
        async def receive_through() -> Message:
            message = await receive()
            answer.sent += message.get("body", b"")
            return message

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = dict(Headers(raw=message["headers"]).items())
            else:
                answer.body += message.get("body", b"")

        await self.app(scope, receive_through, collect)


def on(path: str, change: Change, *, method: str | None = None, status: int | None = None, sent: bytes = b"") -> Change:
    """The change, for answers of one path; of one method, of one status, to bodies that have `sent` in them."""

    def changes(answer: Answer) -> None:
        asked = answer.path == path and method in (None, answer.method) and sent in answer.sent
        if asked and status in (None, answer.status):
            change(answer)

    return changes


def everywhere(change: Change) -> Change:
    """The change, for every answer but the metrics."""
    return lambda answer: answer.path != "/metrics" and change(answer)


def refusals(change: Change, status: int | None = None) -> Change:
    """The change, for refusals alone; for those of one status."""
    return lambda answer: (answer.status == status if status else 400 <= answer.status < 500) and change(answer)


def becomes(**values: Any) -> Change:
    """Keys of a JSON answer of 2xx; `...` removes one."""

    def change(answer: Answer) -> None:
        if answer.status < 300:
            kept = answer.json | values
            answer.json = {key: value for key, value in kept.items() if value is not ...}

    return change


def status(code: int) -> Change:
    """Another status."""

    def change(answer: Answer) -> None:
        answer.status = code

    return change


def says(value: Any, code: int | None = None) -> Change:
    """Another JSON body; another status."""

    def change(answer: Answer) -> None:
        answer.json, answer.status = value, code or answer.status

    return change


def header(name: str, value: str | None) -> Change:
    """Another value of a header; None removes it."""

    def change(answer: Answer) -> None:
        answer.headers.pop(name, None)
        if value is not None:
            answer.headers[name] = value

    return change


def text(pattern: str, new: str) -> Change:
    """Another text wherever the pattern matches, line by line."""

    def change(answer: Answer) -> None:
        answer.body = re.sub(pattern, new, answer.body.decode(), flags=re.MULTILINE).encode()

    return change
