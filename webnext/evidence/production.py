"""The evidence adapter over the real thing."""

from __future__ import annotations

from webnext.executor import Executor
from webnext.services import Evidence
from webnext.settings import Settings


def production_evidence(settings: Settings, executor: Executor) -> Evidence:
    """Not there yet."""
    raise NotImplementedError
