"""POST /api/snapshot/export."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from fastapi import APIRouter

from webnext.contract.base import Responses
from webnext.contract.snapshot import SnapshotRequest
from webnext.services import Services
from webnext.snapshot.export import snapshot
from webnext.snapshot.stream import CsvStream


def router(services: Services) -> APIRouter:
    """The route of the export."""
    routes = APIRouter(tags=["snapshot"])
    file: Responses = {
        200: {"description": "A CSV file under comment lines; it is whole where its last line is `# Rows: N`"}
    }

    @routes.post("/api/snapshot/export", status_code=200, response_class=CsvStream, responses=file)
    async def export(wanted: SnapshotRequest) -> CsvStream:
        """The audit entries of the last hours, oldest first, with the flags, guardrails and queue as they are now."""
        now = datetime.now(UTC)
        environment = re.sub(r"[^A-Za-z0-9._-]+", "-", services.settings.environment)[:50]
        return CsvStream(snapshot(services, wanted.hours, now), f"snapshot-{environment}-{now:%Y%m%dT%H%M%SZ}.csv")

    return routes
