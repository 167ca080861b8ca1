"""What a command that failed has printed."""

from __future__ import annotations


def last_line(output: str) -> str:
    """Returns the last line that is not empty, without the space around it."""
    return (output.strip().splitlines() or ["it printed nothing"])[-1].strip()
