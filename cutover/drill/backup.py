"""Backups of the audit database, made a server of their own for the length of a block."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

Say = Callable[[str], object]


class Backup(Protocol):
    """Where the server's backups are."""

    def restored(self, after: datetime, /, say: Say) -> AbstractContextManager[str]:
        """The host:port of a second server, from a backup that is newer than `after`, the first server's clock; it is
        gone after the block. `say` is told what is waited for. Raises CutoverError."""
