"""What a snapshot is exported of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from webnext.contract.base import Request, Whole


class SnapshotRequest(Request):
    """`hours` back from now, 1 to 744 (31 days)."""

    format: Literal["csv"] = "csv"
    hours: Annotated[int, Field(strict=True, ge=1, le=744), Whole] = 24
