"""POST /api/snapshot/export."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

from fastapi import APIRouter

from webnext.contract import Responses, SnapshotRequest
from webnext.services import Services
from webnext.snapshot.export import snapshot
from webnext.snapshot.stream import CsvStream

AT_ONCE = 2
"""Exports that read at the same time; others wait their turn, so that pushes find connections of the audit log."""


def router(services: Services) -> APIRouter:
    """The route of the export."""
    routes = APIRouter(tags=["snapshot"])
    turns = asyncio.Semaphore(AT_ONCE)
    file: Responses = {
        200: {"description": "A CSV file under comment lines; it is whole where its last line is `# Rows: N`"}
    }

    async def in_turn(hours: int, now: datetime) -> AsyncGenerator[bytes, None]:
        async with turns, aclosing(snapshot(services, hours, now)) as pieces:
            async for piece in pieces:
                yield piece

    @routes.post("/api/snapshot/export", status_code=200, response_class=CsvStream, responses=file)
    async def export(wanted: SnapshotRequest) -> CsvStream:
        """The audit entries of the last hours, oldest first, with the flags, guardrails and queue as they are now."""
        now = datetime.now(UTC)
        environment = re.sub(r"[^A-Za-z0-9._-]+", "-", services.settings.environment)[:50]
        return CsvStream(in_turn(wanted.hours, now), f"snapshot-{environment}-{now:%Y%m%dT%H%M%SZ}.csv")

    return routes
