"""An audit entry as it lies in Postgres."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from webnext.audit.own import ACCEPTED_AT
from webnext.contract import AuditEntryV1, AuditItem


class UnstorableError(ValueError):
    """Postgres cannot hold this entry's data, however often it is tried."""


class Row(NamedTuple):
    """What is written for one entry, under one idempotency key.

    `own_trace` is the entry's own trace id. An entry without one gets that of the request it came with, and is the
    same entry when it comes again with another. `plain` is its details as they are stored when it comes straight to
    Postgres, `late` as they are when it waited before, but for the time at which it was accepted: which of the two
    lies there says nothing about the entry.
    """

    key: str
    action: str
    result: str
    strategy_id: str | None
    trace_id: str | None
    own_trace: str | None
    details: Any
    plain: Any
    late: dict[str, Any]


def row_of(entry: AuditEntryV1, trace_id: str | None, key: str, accepted_at: datetime | None = None) -> Row:
    """The row of an entry. One that waited has inside its details when it was accepted: its `ts` is when Postgres
    took it, so that whoever reads on from the newest `ts` misses none."""
    details = plain = entry.stored_details
    late = {"text": plain} if isinstance(plain, str) else plain or {}
    if accepted_at is not None:
        details = {**late, ACCEPTED_AT: accepted_at.astimezone(UTC).isoformat().replace("+00:00", "Z")}
    own = entry.traceId
    return Row(key, entry.action, entry.result, entry.strategyId, own or trace_id or None, own, details, plain, late)


def item_of(
    number: int,
    ts: datetime,
    action: str,
    result: str,
    strategy_id: str | None,
    trace_id: str | None,
    details: str | None,
) -> AuditItem:
    """A row as the API shows it; `details` are JSON."""
    return AuditItem.model_construct(
        id=number,
        ts=ts.astimezone(UTC),
        action=action,
        result=result,
        strategyId=strategy_id,
        traceId=trace_id,
        details=json.loads(details) if details else None,
    )
