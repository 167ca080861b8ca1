"""The evidence adapter as a mock: addresses that lead nowhere."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from webnext.contract.evidence import ArchiveAnswer, ArchiveRequest, EvidenceAnswer, EvidenceRequest
from webnext.services import Mock


class MockEvidence(Mock):
    """Grants addresses under the reserved name mock.invalid and keeps nothing."""

    name = "evidence"

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
