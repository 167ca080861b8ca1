"""The running image under `cutover contract`, and what its answers are measured by."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any

import httpx

HEADERS = {
    "x-content-type-options": r"nosniff",
    "x-frame-options": r"DENY",
    "strict-transport-security": r"max-age=(31536000|3153600\d+|[4-9]\d{7,}|\d{9,})(;.*)?",
    "content-security-policy": r"(?=.*default-src )(?=.*connect-src ).*",
}
"""What every answer carries, as patterns of the whole value."""
LOCAL_EDGE = {"strict-transport-security": r"max-age=0"}
"""What the edge of a machine says instead: it would bind all of localhost's ports."""
TRACE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

Number = int | float


class BrokenError(Exception):
    """The image does not do what the rule says; the message is what was seen."""


class SkippedError(Exception):
    """The rule could not or should not be judged; the message says why."""


def demand(holds: bool, seen: str) -> None:
    """Raises BrokenError with `seen` unless it holds."""
    if not holds:
        raise BrokenError(seen)


@dataclass(kw_only=True)
class Image:
    """The running image. `log` are lines that its app and its worker wrote; `entry` is the audit entry that the rules
    have pushed; `write_alert` allows one alert; `answers` is what all rules have been answered."""

    http: httpx.Client
    metrics_url: str | None = None
    log: Sequence[str] | None = None
    write_alert: bool = False
    sleep: Callable[[float], None] = time.sleep
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    entry: dict[str, Any] | None = None
    answers: list[httpx.Response] = field(default_factory=list)

    @property
    def trace(self) -> str:
        """The trace id that this run's audit entries carry."""
        return f"contract-{self.run}"

    def send(self, method: str, path: str, content: str | bytes | None = None, **headers: str) -> httpx.Response:
        """One answer, waiting while the edge limits; no content type unless given. Raises BrokenError without one."""
        for _ in range(12):
            try:
                answer = self.http.request(method, path, content=content, headers=headers)
            except httpx.HTTPError as error:
                raise BrokenError(f"{method} {path}: no answer ({type(error).__name__})") from None
            wait = answer.headers.get("retry-after", "")
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            self.sleep(min(int(wait), 10) if wait.isdecimal() else 1)
        self.answers.append(answer)
        return answer

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> dict[str, Any]:
        """The JSON object of an answer with that status. Raises BrokenError on any other."""
        answer = self.send(method, path, None if body is None else json.dumps(body), **headers)
        demand(answer.status_code == status, f"{method} {path}: {said(answer)}, {status} expected")
        return document(answer)


def said(answer: httpx.Response) -> str:
    """The status and the beginning of the text."""
    return f"{answer.status_code} {' '.join(answer.text[:100].split())!r}"


def says_mock(answer: httpx.Response) -> bool:
    """Whether the body says that a fallback or a mock answered: JSON by its _mock, an export by a comment."""
    if answer.headers.get("content-type", "").startswith("text/csv"):
        head = takewhile(lambda line: line.startswith("#"), answer.text.splitlines())
        return any(line.startswith("# _mock: true") for line in head)
    try:
        value = answer.json()
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("_mock") is True


def document(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer."""
    where = f"{answer.request.method} {answer.request.url.path}"
    kind = answer.headers.get("content-type", "")
    demand(kind.startswith("application/json"), f"{where}: {said(answer)} has content type {kind!r}, no JSON")
    try:
        value = answer.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BrokenError(f"{where}: {said(answer)} is no JSON object")
    return value


def typed(value: Mapping[str, Any], where: str, /, **kinds: Any) -> None:
    """Raises BrokenError unless each key is there and of its kind; True and False are no numbers."""
    for key, kind in kinds.items():
        seen = value.get(key)
        right = isinstance(seen, kind) and (kind is bool or not isinstance(seen, bool))
        demand(key in value and right, f"{where}: {key} is {seen!r}" if key in value else f"{where}: {key} is missing")


def moment(text: str, where: str) -> datetime:
    """The ISO 8601 moment that the text names, with its zone."""
    try:
        seen = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise BrokenError(f"{where} is {text!r}, no ISO 8601 time") from None
    demand(seen.tzinfo is not None, f"{where} is {text!r}, without a zone")
    return seen


def protected(answer: httpx.Response) -> None:
    """Raises BrokenError unless the answer has every security header and a trace id."""
    where = f"{answer.request.method} {answer.request.url.path} {answer.status_code}"
    local = answer.request.url.host == "localhost" and "x-edge-id" in answer.headers
    for name, pattern in {**HEADERS, **(LOCAL_EDGE if local else {})}.items():
        seen = answer.headers.get(name)
        demand(seen is not None and bool(re.fullmatch(pattern, seen)), f"{where}: {name} is {seen!r}")
    demand(bool(answer.headers.get("x-trace-id")), f"{where}: no x-trace-id")


def refused(answer: httpx.Response, what: str) -> None:
    """Raises BrokenError unless the answer is a refusal of the caller's in the contract's shape."""
    demand(400 <= answer.status_code < 500, f"{what}: {said(answer)}, a 4xx expected")
    shape = document(answer)
    typed(shape, f"{what}: {answer.status_code}", _err=str, traceId=str)
    own = answer.headers.get("x-trace-id")
    demand(shape["traceId"] == own, f"{what}: traceId is {shape['traceId']!r}, x-trace-id {own!r}")
