"""Not there yet."""

from __future__ import annotations

from webnext.settings import Settings


def run_worker(settings: Settings) -> None:
    """Run until SIGTERM."""
    raise NotImplementedError
