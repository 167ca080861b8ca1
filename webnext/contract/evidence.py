"""Evidence: addresses for a zip, and what is noted of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from webnext.contract.base import Answer, Identifier, Mock, Request, Whole, small

EvidenceKey = Annotated[
    str, StringConstraints(pattern=r"^evidence/[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.zip$")
]
"""evidence/RUN-OR-JOB/NAME.zip: three parts, none of which is empty or starts with a dot, so that no key climbs."""


class EvidenceRequest(Request):
    """Names the run or the job that the evidence is of. `sizeBytes`, where given, is signed: no other size uploads."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("runId", "jobId")]
        }
    )

    runId: Identifier | None = None  # noqa: N815
    jobId: Identifier | None = None  # noqa: N815
    sizeBytes: Annotated[int, Field(strict=True, ge=1, le=100 * 2**20), Whole] | None = None  # noqa: N815

    @model_validator(mode="after")
    def _named(self) -> EvidenceRequest:
        if not (self.runId or self.jobId):
            raise ValueError("runId or jobId is needed")
        return self


class EvidenceAnswer(Answer):
    """Where to PUT the zip and GET it again: each address is signed for its own method and ends at `expiresAt`."""

    ok: Literal[True] = True
    uploadUrl: str  # noqa: N815
    downloadUrl: str  # noqa: N815
    key: str
    expiresAt: datetime  # noqa: N815
    mock: Mock


class ArchiveRequest(Request):
    """Says of an uploaded object what it is. `key` is the one that /api/evidence/zip gave."""

    key: EvidenceKey
    runId: Identifier | None = None  # noqa: N815
    jobId: Identifier | None = None  # noqa: N815
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    metadata: Annotated[dict[str, Any], AfterValidator(small)] = Field(default_factory=dict)


class ArchiveAnswer(Answer):
    """`metadataKey` is the object beside the evidence that now holds its metadata."""

    ok: Literal[True] = True
    key: str
    metadataKey: str  # noqa: N815
    sizeBytes: int | None  # noqa: N815
    mock: Mock
