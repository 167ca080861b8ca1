"""The guardrails adapter over the real thing."""

from __future__ import annotations

from webnext.executor import Executor
from webnext.flags import Flags
from webnext.services import Audit, Guardrails


def production_guardrails(executor: Executor, flags: Flags, audit: Audit) -> Guardrails:
    """Not there yet."""
    raise NotImplementedError
