"""The evidence adapter as a mock: addresses that lead nowhere."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from webnext.contract import ArchiveAnswer, ArchiveRequest, EvidenceAnswer, EvidenceRequest
from webnext.dependency import AwayError
from webnext.settings import Adapter


class MockEvidence:
    """Grants addresses under the reserved name mock.invalid and keeps nothing."""

    adapter: Adapter = "mock"

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def grant(self, request: EvidenceRequest) -> EvidenceAnswer:
        key = f"evidence/{request.runId or request.jobId}/{uuid.uuid4()}.zip"
        return EvidenceAnswer(
            uploadUrl=f"https://mock.invalid/put/{key}",
            downloadUrl=f"https://mock.invalid/get/{key}",
            key=key,
            expiresAt=datetime.now(UTC) + timedelta(minutes=15),
            mock=True,
        )

    async def archive(self, request: ArchiveRequest, trace_id: str) -> ArchiveAnswer:  # noqa: ARG002
        return ArchiveAnswer(key=request.key, metadataKey=f"{request.key}.json", sizeBytes=None, mock=True)

    async def ping(self) -> NoReturn:
        raise AwayError("evidence", "the adapter is a mock")
