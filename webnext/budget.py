"""How many bytes one answer may be made of, whatever lies stored."""

from __future__ import annotations

BYTES = 2**18
"""Of text that one list or page is read of. In memory, as objects, it takes up to thirty times as much, and somebody
who reads slowly keeps an answer there for minutes."""


class Budget:
    """Says when a reader of rows has to stop."""

    def __init__(self) -> None:
        self._left: int | None = None

    def takes(self, size: int) -> bool:
        """Whether a row of `size` bytes still fits into BYTES. The first always does, so that every reader gets on."""
        first = self._left is None
        self._left = (BYTES if self._left is None else self._left) - size
        return first or self._left >= 0
