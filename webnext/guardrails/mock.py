"""The guardrails adapter as a mock: the playbook's thresholds, and never a breach."""

from __future__ import annotations

from webnext.contract.guardrails import GuardrailsAnswer
from webnext.services import Mock

THRESHOLDS = {"maxDrawdown": 0.15}


class MockGuardrails(Mock):
    """Answers the same each time."""

    name = "guardrails"

    async def read(self) -> GuardrailsAnswer:
        return GuardrailsAnswer(mock=True, thresholds=THRESHOLDS, lastBreach=None)
