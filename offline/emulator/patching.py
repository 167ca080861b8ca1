"""Replaces a function of the pinned emulator, and notices when it is no longer there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class PatchError(Exception):
    """The emulator lacks what was to be replaced: it is not the pinned version. One line."""


def patch(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replaces `owner`'s attribute or key `name` by what `make` returns for the present one."""
    where = getattr(owner, "__name__", type(owner).__name__)
    table = owner if isinstance(owner, dict) else vars(owner)
    if name not in table:
        raise PatchError(f"{where} has no {name}: offline/emulator fits the versions in its requirements.txt only")
    if isinstance(owner, dict):
        owner[name] = make(owner[name])
    else:
        setattr(owner, name, make(table[name]))
