"""An audit entry as it lies in Postgres."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from webnext.audit.own import ACCEPTED_AT
from webnext.contract.audit import AuditEntryV1, AuditItem
from webnext.services import CallerError


class UnstorableError(CallerError):
    """Postgres cannot hold this entry's data, however often it is tried."""


class Row(NamedTuple):
    """What is written for one entry, and what a row under the same idempotency key is compared with.

    An entry without a trace id is stored under the request's, and `own_trace` is None: sent again by another request it
    is the same entry, and `actor` stays the first's. `plain` are the details of an entry that went straight to
    Postgres. `late` are those of one that waited in the spool, without the time of its acceptance. A stored row with
    either of them is the same entry.
    """

    key: str
    action: str
    result: str
    strategy_id: str | None
    trace_id: str | None
    own_trace: str | None
    actor: str | None
    details: Any
    plain: Any
    late: dict[str, Any]


def row_of(
    entry: AuditEntryV1,
    trace_id: str | None,
    key: str,
    accepted_at: datetime | None = None,
    actor: str | None = None,
) -> Row:
    """Return the row of an entry.

    Its `ts` will be the time of the insert, so that whoever reads on from the newest `ts` misses none. An entry that
    waited has the time of its acceptance in its details instead.
    """
    details = plain = entry.stored_details
    late = {"text": plain} if isinstance(plain, str) else plain or {}
    if accepted_at is not None:
        details = {**late, ACCEPTED_AT: accepted_at.astimezone(UTC).isoformat().replace("+00:00", "Z")}
    own = entry.traceId
    trace = own or trace_id or None
    return Row(key, entry.action, entry.result, entry.strategyId, trace, own, actor, details, plain, late)


def item_of(
    number: int,
    ts: datetime,
    action: str,
    result: str,
    strategy_id: str | None,
    trace_id: str | None,
    actor: str | None,
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
        actor=actor,
        details=json.loads(details) if details else None,
    )
