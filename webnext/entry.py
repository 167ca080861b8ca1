"""One audit entry as callers post it: tolerant on the way in, one shape on the way out."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class AuditEntry(BaseModel):
    """An audit entry, version 1.0. Unknown keys are ignored.

    The server's clock gives the row its time; a caller's `timestamp` is kept inside the details.
    `traceId` is any text up to 200 characters; where it is missing the request's own trace id is stored.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal["1.0"] = "1.0"
    action: Name
    result: Literal["ok", "err"]
    strategyId: Name | None = None  # noqa: N815  (the contract's spelling)
    traceId: Name | None = None  # noqa: N815
    timestamp: str | int | float | None = None
    details: str | dict[str, Any] | None = None

    def details_json(self) -> str | None:
        """Return the details as JSON text, None where there are none.

        With a caller's timestamp they become an object: {"text": …} around a string, and "clientTimestamp".
        """
        details = self.details
        if self.timestamp is not None:
            given = {"text": details} if isinstance(details, str) else details or {}
            details = {**given, "clientTimestamp": self.timestamp}
        return None if details is None else json.dumps(details)


class ListRequest(BaseModel):
    """What POST /api/audit/list takes: the number of items, 1 to 500."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    limit: int = Field(default=50, ge=1, le=500)
