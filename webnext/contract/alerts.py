"""Alerts, and the queues they wait in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, model_validator

from webnext.contract.base import MAX_DEPTH, STRING, Absent, Answer, Mock, Request, crowded, replaced, size_of

MAX_ALERT = 64 * 1024
"""Bytes of an alert as JSON without blanks in UTF-8: of a larger one what people read is kept."""
MAX_ID = 255
"""Characters of an alert's id."""
MOST = 100
"""Dead letters of a page, and of one request to retry some."""
READ = {"title": 500, "severity": 50, "text": 3000, "message": 3000}
"""What people read of an alert, and how many characters of each."""

_BRACKET = re.compile(rb"%b|[][{}]" % STRING, re.DOTALL)


class Alert(Request):
    """An alert to deliver: any JSON object that is not empty; `title`, `severity` and `text` or `message` are what
    people read. It is kept as it came, but for what nothing can hold, which is replaced, and what is too much."""

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra={"minProperties": 1})

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        """In the place of what every other request is refused by: who sends an alert gives up on a 4xx."""
        if not isinstance(value, dict) or not value:
            raise ValueError("an alert is a JSON object with at least one key")
        return replaced(value)


def fitting(body: bytes) -> bytes:
    """The body of an alert as every reader of JSON can take it, cut where it is too much; one that is no JSON as it is.
    What it takes in memory to know is free again when it returns."""
    with suppress(ValueError):
        try:
            return _fitting(body)
        except RecursionError:
            return _fitting(_shallow(body))
    return body


def _fitting(body: bytes) -> bytes:
    alert, size = json.loads(body, parse_int=_integer), len(body)
    if not isinstance(alert, dict):
        return b"[]"  # it is refused, and need not be read again
    if not crowded(body):
        alert = replaced(alert)
        size = size_of(alert)
        if size <= MAX_ALERT:
            return json.dumps(alert).encode()
    return json.dumps(_read(alert) | {"cutFrom": size}).encode()


def _integer(digits: str) -> int | str:
    """Text where there are more digits than MAX_NUMBER has: Python reads no integer of very many."""
    return int(digits) if len(digits) <= 310 else digits


def _shallow(body: bytes) -> bytes:
    """The body nested no deeper than json follows: what is deeper is a number, for which replaced() has a sign."""
    depth, begin, kept = 0, 0, list[bytes]()
    for found in _BRACKET.finditer(body):
        if found[0] in b"[{":
            depth += 1
            if depth == MAX_DEPTH + 2:
                kept += body[begin : found.start()], b"0"
        elif found[0] in b"]}":
            depth -= 1
            if depth == MAX_DEPTH + 1:
                begin = found.end()
    return b"".join((*kept, body[begin:]))


def text_of(value: Any) -> str:
    """A value of an alert as text: what is none is its JSON, and null nothing."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def short(text: str, most: int) -> str:
    """The text, cut to so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def headline(alert: Mapping[str, Any]) -> str:
    """What an alert is called: its title, else its text, else all of it."""
    found = next((alert[name] for name in ("title", "text", "message") if alert.get(name)), alert)
    return short(text_of(found), 200)


def _read(alert: dict[str, Any]) -> dict[str, Any]:
    kept = {name: short(text_of(alert[name]), most) for name, most in READ.items() if alert.get(name)}
    return kept if kept.keys() - {"severity"} else kept | {"text": short(text_of(alert), READ["text"])}


class AlertAnswer(Answer):
    """Status 202: the alert is kept and will be delivered at least once. `_mock` where a fallback or mock took it."""

    ok: Literal[True] = True
    jobId: str  # noqa: N815
    mock: Mock


class QueueAnswer(Answer):
    """What waits: `pending` counts waiting, delayed and active deliveries, `dlq` the dead letters."""

    pending: int
    dlq: int
    waiting: int
    active: int
    delayed: int
    oldestSec: float | None = None  # noqa: N815
    mock: Mock


class DeadLetter(Answer):
    """An alert that was given up: after how many attempts, why at the last of them, and when. `title` is what the alert
    is called."""

    id: str
    title: str
    attempts: int
    lastError: str | None  # noqa: N815
    diedAt: datetime | None  # noqa: N815
    traceId: str | None  # noqa: N815


class DeadLettersAnswer(Answer):
    """The newest dead letters first, of `total`."""

    total: int
    items: list[DeadLetter]
    mock: Mock


_ID: dict[str, Any] = {"type": ["string", "integer"], "minLength": 1}


class QueueRequest(Request):
    """{action: retry, jobId} puts a dead letter back, {action: retry_some, jobIds} up to MOST of them, {action:
    retry_all} all; {action: purge_dlq} drops all. `by` is who does it, for the audit log."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["action", "jobId"], "properties": {"action": {"const": "retry"}, "jobId": _ID}},
                {
                    "required": ["action", "jobIds"],
                    "properties": {
                        "action": {"const": "retry_some"},
                        "jobIds": {"type": "array", "items": _ID, "minItems": 1, "maxItems": MOST},
                    },
                },
                {"required": ["action"], "properties": {"action": {"enum": ["retry_all", "purge_dlq"]}}},
            ]
        }
    )

    action: Any = None
    jobId: Any = None  # noqa: N815
    jobIds: Any = None  # noqa: N815
    by: Any = None

    def ids(self) -> list[str]:
        """The dead letters that a retry names; a number is the id that it spells. Raises ValueError."""
        given = self.jobIds if self.action == "retry_some" else [self.jobId]
        ids = [_id(one) for one in given] if isinstance(given, list) else []
        if not 1 <= len(ids) <= MOST or "" in ids:
            raise ValueError(
                f"jobIds: a list of 1 to {MOST} ids of dead letters is needed"
                if self.action == "retry_some"
                else "jobId: the id of a dead letter is needed"
            )
        return ids


def _id(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if len(text) <= MAX_ID else ""


class QueueActionAnswer(Answer):
    """What was done: `moved` for a retry, `purged` for purge_dlq, in jobs; `left` are the dead letters that a retry of
    all did not come to."""

    ok: Literal[True] = True
    action: Literal["retry", "retry_some", "retry_all", "purge_dlq"]
    moved: int = 0
    purged: int = 0
    left: Annotated[int | None, Absent] = None
