"""Audit entries, as they are pushed and listed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr, StringConstraints

from webnext.contract.base import Absent, Answer, MaybeMock, Mock, Request, Text, Whole


class AuditEntryV1(Request):
    """An audit entry, version 1.0.

    The server's clock gives the row its time; a caller's `timestamp` is kept inside the details. Where `traceId` is
    missing the request's own trace id is stored.
    """

    version: Literal["1.0"] = "1.0"
    action: Text
    result: Literal["ok", "err"]
    strategyId: Text | None = None  # noqa: N815
    traceId: Text | None = None  # noqa: N815
    timestamp: StrictStr | StrictInt | StrictFloat | None = None
    details: str | dict[str, Any] | None = None

    @property
    def stored_details(self) -> str | dict[str, Any] | None:
        """The details as they are stored: with a caller's timestamp an object that has it as "clientTimestamp"."""
        if self.timestamp is None:
            return self.details
        given = {"text": self.details} if isinstance(self.details, str) else self.details or {}
        return {**given, "clientTimestamp": self.timestamp}


class PushAnswer(Answer):
    """The entry is kept. `id` is the row's, or the entry's idempotency key while it waits behind a fallback.

    `_mock` is there, and true, only where a fallback or the mock took the entry; `via` then says which.
    """

    ok: Literal[True] = True
    id: int | str
    mock: MaybeMock = None
    via: Annotated[Literal["executor", "spool", "mock"] | None, Absent] = None


class ListRequest(Request):
    """`limit` is the number of items, 1 to 500; `traceId` keeps those of one trace; `after` is the `next` of the list
    that this one goes on from."""

    limit: Annotated[int, Field(strict=True, ge=1, le=500), Whole] = 50
    traceId: Text | None = None  # noqa: N815
    after: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,16}\.[0-9]{1,18}$")] | None = None


class AuditItem(Answer):
    """One row of the audit log. `actor` is by whom it is, as the server knows: an address, and `web-next`, or `web-next
    for ADDRESS`, where it did something itself."""

    id: int | str
    version: Literal["1.0"] = "1.0"
    ts: datetime
    action: str
    result: Literal["ok", "err"]
    strategyId: str | None = None  # noqa: N815
    traceId: str | None = None  # noqa: N815
    actor: str | None = None
    details: Any = None

    @classmethod
    def of(
        cls, entry: AuditEntryV1, id: int | str, ts: datetime, trace_id: str | None, actor: str | None = None
    ) -> AuditItem:
        """An entry as a row, under the trace id that it has or, where it has none, the request's."""
        return cls(
            id=id,
            ts=ts,
            action=entry.action,
            result=entry.result,
            strategyId=entry.strategyId,
            traceId=entry.traceId or trace_id,
            actor=actor,
            details=entry.stored_details,
        )


class ListAnswer(Answer):
    """The newest entries first: Postgres' own, or with `_mock` what the executor or the mock has, or none.

    They are fewer than `limit` where they would be more than 256 KiB; there is always one, if there is any. `next` is
    there where Postgres has older ones: they are listed by `after`.
    """

    mock: Mock
    items: list[AuditItem]
    next: Annotated[str | None, Absent] = None
