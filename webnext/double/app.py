"""Not there yet."""

from __future__ import annotations

from webnext.settings import Settings


def serve_double(settings: Settings) -> None:
    """Serve until SIGTERM."""
    raise NotImplementedError
