"""Not there yet."""

from __future__ import annotations

from webnext.settings import Settings


def run_cleanup(settings: Settings) -> int:
    """Clean once and return the exit code."""
    raise NotImplementedError
