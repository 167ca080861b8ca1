"""The credentials that an emulator asks for: an account is the access key, and the clone's own key the secret."""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).parents[1] / ".local" / "emulator" / "key"
"""Written when the emulator is first started, for this user alone."""


def secret() -> str:
    """The secret of every account's access key. Raises OSError where no emulator has been started."""
    return FILE.read_text()
