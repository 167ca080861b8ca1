"""Alerts, and the queues they wait in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, StringConstraints, model_validator
from pydantic_core import to_json

from webnext.contract.base import Answer, Mock, Request

MAX_ALERT = 64 * 1024
"""Bytes of an alert as JSON without blanks in UTF-8."""


class Alert(Request):
    """An alert to deliver: any JSON object; `title`, `severity` and `text` or `message` are what people read first."""

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra={"minProperties": 1})

    title: Annotated[str, StringConstraints(max_length=500)] | None = None
    severity: Annotated[str, StringConstraints(max_length=50)] | None = None
    text: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    message: Annotated[str, StringConstraints(max_length=10_000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _holdable(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not value:
            raise ValueError("an alert is a JSON object with at least one key")
        if (size := len(to_json(value))) > MAX_ALERT:
            raise ValueError(f"an alert has {size} bytes as JSON, {MAX_ALERT} at most")
        return value


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


class QueueRequest(Request):
    """{action: retry, jobId} puts a dead letter back, {action: purge_dlq} drops all of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["action", "jobId"],
                    "properties": {"action": {"const": "retry"}, "jobId": {"type": "string", "minLength": 1}},
                },
                {"required": ["action"], "properties": {"action": {"const": "purge_dlq"}}},
            ]
        }
    )

    action: Any = None
    jobId: Any = None  # noqa: N815


class QueueActionAnswer(Answer):
    """What was done: `moved` for retry, `purged` for purge_dlq, in jobs."""

    ok: Literal[True] = True
    action: Literal["retry", "purge_dlq"]
    moved: int = 0
    purged: int = 0
