"""Audit entries, as they are pushed and listed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, StrictFloat, StrictInt, StrictStr
from pydantic_core import to_json

from webnext.contract.base import Absent, Answer, Mock, Request, Text, Whole

MAX_DETAILS = 16 * 1024
"""Bytes of details that a caller may push."""


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
    def details_bytes(self) -> int:
        """The size of what is stored as details, as JSON without blanks in UTF-8."""
        return len(to_json(self.stored_details))

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
    mock: Annotated[
        bool | None,
        Field(
            serialization_alias="_mock",
            validation_alias=AliasChoices("_mock", "mock"),
            exclude_if=lambda value: value is None,
        ),
    ] = None
    via: Annotated[Literal["executor", "spool", "mock"] | None, Absent] = None


class ListRequest(Request):
    """`limit` is the number of items, 1 to 500; `traceId` keeps those of one trace."""

    limit: Annotated[int, Field(strict=True, ge=1, le=500), Whole] = 50
    traceId: Text | None = None  # noqa: N815


class AuditItem(Answer):
    """One row of the audit log."""

    id: int | str
    version: Literal["1.0"] = "1.0"
    ts: datetime
    action: str
    result: Literal["ok", "err"]
    strategyId: str | None = None  # noqa: N815
    traceId: str | None = None  # noqa: N815
    details: Any = None

    @classmethod
    def of(cls, entry: AuditEntryV1, id: int | str, ts: datetime, trace_id: str | None) -> AuditItem:
        """An entry as a row, under the trace id that it has or, where it has none, the request's."""
        return cls(
            id=id,
            ts=ts,
            action=entry.action,
            result=entry.result,
            strategyId=entry.strategyId,
            traceId=entry.traceId or trace_id,
            details=entry.stored_details,
        )


class ListAnswer(Answer):
    """The newest entries first: Postgres' own, or with `_mock` what the executor or the mock has, or none.

    They are fewer than `limit` where their details would be more than 1 MiB; there is always one, if there is any.
    """

    mock: Mock
    items: list[AuditItem]
