"""The queue adapter as a mock: counts what it was given and delivers nothing."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from webnext.contract.alerts import AlertAnswer, DeadLettersAnswer, QueueAnswer
from webnext.services import Mock


class MockAlerts(Mock):
    """Takes every alert; it stays pending for ever."""

    name = "queue"

    def __init__(self) -> None:
        self._pending = 0

    async def accept(self, alert: dict[str, Any], trace_id: str) -> AlertAnswer:  # noqa: ARG002
        self._pending += 1
        return AlertAnswer(jobId=str(uuid.uuid4()), mock=True)

    async def counts(self) -> QueueAnswer:
        return QueueAnswer(pending=self._pending, dlq=0, waiting=self._pending, active=0, delayed=0, mock=True)

    async def dead_letters(self, offset: int, limit: int) -> DeadLettersAnswer:  # noqa: ARG002
        return DeadLettersAnswer(total=0, items=[], mock=True)

    async def retry(self, ids: Sequence[str] | None) -> tuple[list[str], int]:  # noqa: ARG002
        return [], 0

    async def purge(self) -> int:
        return 0
