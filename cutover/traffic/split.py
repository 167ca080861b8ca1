"""A traffic split between two tracks, whatever routes."""

from __future__ import annotations

from typing import Protocol

from cutover.errors import TrafficError


class TrafficSplit(Protocol):
    """The split between the two tracks of one base stack."""

    def get(self) -> int:
        """The candidate's share in percent, as what routes has it. Raises TrafficError."""

    def set(self, weight: int) -> None:
        """Gives the candidate this share, 0 to 100 percent, for every request from now on. Raises TrafficError."""


def checked(weight: object) -> int:
    """The weight, if it is one. Raises TrafficError."""
    if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= 100:
        raise TrafficError(f"weight is {weight!r}: the candidate's share is a whole number of percent, 0 to 100")
    return weight
