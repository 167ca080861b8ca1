"""An alert as a job of either queue and its row in the outbox have it, with what went wrong at each attempt."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bullmq import Job

from webnext.contract.alerts import short
from webnext.contract.base import replaced


class Letter(NamedTuple):
    """What a job is about; `errors` are {"at", "error"} for each failed attempt, `created` in milliseconds since 1970.
    `dead` is whether a row counts it as a dead letter."""

    id: str
    alert: dict[str, Any]
    trace_id: str
    errors: list[dict[str, Any]]
    created: int
    dead: bool = False


def attempt(error: str) -> str:
    """An entry of a job's stack trace, where BullMQ keeps what went wrong at each attempt: when and what, as JSON."""
    return json.dumps({"at": _iso(datetime.now(UTC)), "error": error})


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def letter_of(job: Job) -> Letter:
    """What a job of either queue is about."""
    data: dict[str, Any] = replaced(job.data if isinstance(job.data, dict) else {"text": str(job.data)})
    ours = isinstance(data.get("alert"), dict)
    errors = data.get("errors") if ours and isinstance(data.get("errors"), list) else None
    errors = [one for one in errors or () if isinstance(one, dict)]
    errors = errors or replaced([_entry(line) for line in job.stacktrace] or _reason(job))
    if errors and not errors[-1].get("at") and job.finishedOn:  # another worker's words have no time
        errors[-1]["at"] = _iso(datetime.fromtimestamp(job.finishedOn / 1000, UTC))
    return Letter(
        id=job.id,
        alert=data["alert"] if ours else data,
        trace_id=short(str(data.get("traceId") or ""), 200),
        errors=errors,
        created=job.timestamp,
    )


def _entry(line: str) -> dict[str, Any]:
    """An entry written by :func:`attempt`, or the first line of a stack trace that another worker left."""
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    return entry if isinstance(entry, dict) else {"at": None, "error": line.partition("\n")[0][:500]}


def _reason(job: Job) -> list[dict[str, Any]]:
    return [{"at": None, "error": str(job.failedReason)}] if job.failedReason else []
