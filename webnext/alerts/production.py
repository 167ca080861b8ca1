"""The alerts adapter over the real thing."""

from __future__ import annotations

from webnext.services import Alerts
from webnext.settings import Settings
from webnext.vault import Vault


def production_alerts(settings: Settings, vault: Vault) -> Alerts:
    """Not there yet."""
    raise NotImplementedError
