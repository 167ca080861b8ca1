"""The guardrails adapter as a mock: the playbook's thresholds, and never a breach."""

from __future__ import annotations

from typing import NoReturn

from webnext.contract import GuardrailsAnswer
from webnext.dependency import AwayError
from webnext.settings import Adapter

THRESHOLDS = {"maxDrawdown": 0.15}


class MockGuardrails:
    """Answers the same each time."""

    adapter: Adapter = "mock"

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def read(self) -> GuardrailsAnswer:
        return GuardrailsAnswer(mock=True, thresholds=THRESHOLDS, lastBreach=None)

    async def ping(self) -> NoReturn:
        raise AwayError("guardrails", "the adapter is a mock")
