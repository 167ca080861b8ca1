"""The audit adapter over the real thing."""

from __future__ import annotations

from webnext.executor import Executor
from webnext.services import Audit
from webnext.settings import Settings
from webnext.vault import Vault


def production_audit(settings: Settings, vault: Vault, executor: Executor) -> Audit:
    """Not there yet."""
    raise NotImplementedError
