"""Jobs as their producers left them: whatever a field holds, BullMQ makes a job of it that ends as it should."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

from bullmq import Job

BACKOFF = {"type": "exponential", "delay": 1000}
"""Between the attempts of a job that asks for something else than BullMQ has."""

_LATEST = 253402300799999
"""The last millisecond of the year 9999, after which Python has no date."""
_FAILED_CHILD = (
    *("fpof", "cpof", "idof", "rdof", "failParentOnFailure", "continueParentOnFailure"),
    *("ignoreDependencyOnFailure", "removeDependencyOnFailure"),
)
"""Options of which BullMQ takes one."""
_NUMBERS = ("timestamp", "delay", "priority", "processedOn", "finishedOn", "ats", "attemptsMade", "atm", "stc")


def job_of(queue: Any, raw: Mapping[str, str], job_id: str) -> Job:
    """Return the job that a hash in Redis describes; `queue` is a queue or a worker of BullMQ's."""
    return Job.fromJSON(queue, tamed(raw), job_id)


def tamed(raw: Mapping[str, str]) -> dict[str, str]:
    """Return the hash with what BullMQ could not work with replaced."""
    numbers = {name: str(int(min(max(number(raw[name]) or 0, 0), _LATEST))) for name in _NUMBERS if name in raw}
    opts = _parsed(raw.get("opts"))
    opts = opts if isinstance(opts, dict) else {}
    opts |= {"attempts": int(number(opts.get("attempts")) or 1), "backoff": _backoff(opts.get("backoff"))}
    if not _counts(opts.get("removeOnComplete")):
        del opts["removeOnComplete"]
    if not isinstance(opts.get("parent"), dict):
        opts.pop("parent", None)
    for name in [name for name in _FAILED_CHILD if opts.get(name)][1:]:
        del opts[name]
    lines = _parsed(raw.get("stacktrace"))
    told = {
        "data": _parsed(raw.get("data")),
        "opts": opts,
        "progress": _parsed(raw.get("progress")),
        "stacktrace": [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else [],
    }
    kept = {**raw, **numbers, **{name: json.dumps(value) for name, value in told.items()}}
    if not isinstance(_parsed(raw.get("parent")), dict):
        del kept["parent"]
    return kept


def _backoff(wish: Any) -> dict[str, Any] | None:
    """A type that the producer's own workers know is answered by ours, with the delay that it asks for."""
    if not wish:
        return None
    asked = wish if isinstance(wish, dict) else {"type": "fixed", "delay": wish}
    delay = number(asked.get("delay"))
    if delay is None or delay < 0:
        return BACKOFF
    known = asked.get("type") in ("fixed", "exponential")
    return {"type": asked["type"] if known else BACKOFF["type"], "delay": int(delay)}


def _counts(wish: Any) -> bool:
    """Whether it says how many jobs to keep: all or none, a number, or numbers by name."""
    return wish is None or all(isinstance(each, int) for each in (wish.values() if isinstance(wish, dict) else [wish]))


def number(value: Any) -> float | None:
    """The number that a value is or spells, None where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text
