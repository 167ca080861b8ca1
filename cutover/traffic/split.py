"""A traffic split between two tracks, whatever routes, and the mark of the rollout that has set it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol, Self

from cutover.errors import TrafficError

MARK = "([A-Za-z0-9-]{1,64}) ([0-9]+) (open|final)"
"""A mark as what routes keeps it, for `grep -E` too."""

STACK = "STACK"
"""What stands for a stack's name where nobody has said it."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Which revision of which rollout a weight is; `final` from finishing on, where there is no way back.

    Raises TrafficError for an id that is no name of 1 to 64 letters, digits and hyphens.
    """

    rollout: str
    revision: int
    final: bool = False

    def __post_init__(self) -> None:
        named(self.rollout)

    @property
    def text(self) -> str:
        """As what routes keeps it."""
        return f"{self.rollout} {self.revision} {'final' if self.final else 'open'}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The mark that a text is; None where it is none, as of a file that was cut off: whatever stands there, the
        traffic can be taken back."""
        found = re.fullmatch(MARK, text.strip())
        return cls(rollout=found[1], revision=int(found[2]), final=found[3] == "final") if found else None


@dataclass(frozen=True, kw_only=True)
class Share:
    """The candidate's share in percent, as what routes has it, the mark in force there, and which rollouts were
    taken back last."""

    weight: int
    mark: Mark | None = None
    taken_back: frozenset[str] = frozenset()


class NothingRoutesError(TrafficError):
    """There is nothing that could route: nobody is sent to either track."""


class TrafficSplit(Protocol):
    """The split between the two tracks of one base stack. Every call ends after a few seconds, in TrafficError."""

    def get(self) -> Share:
        """What routes. Raises NothingRoutesError where nothing does, else TrafficError."""

    def beside(self) -> tuple[str, ...]:
        """A clause for each other way to a track, which the share does not govern. Raises TrafficError."""

    def set(self, weight: int, mark: Mark | None = None, *, anyway: bool = False) -> None:
        """Gives the candidate this share, 0 to 100 percent, for every request from now on.

        Raises RefusedError for a mark whose revision is older than the one in force, and for a rollout that was taken
        back unless the weight is 0. Without a mark the weight may fall; it rises, unless `anyway`, only where no
        rollout's mark is in force. Raises TrafficError when it cannot be set.
        """

    def take_back(self, rollout: str | None = None) -> None:
        """Weight 0; for this rollout, and for the one in force, nothing but 0 is taken from now on.

        Raises RefusedError when the mark in force is final and the candidate has traffic, TrafficError when it cannot
        be set.
        """

    def by_hand(self) -> str:
        """The command line that takes all traffic from the candidate where there is no cutover."""


def checked(weight: object) -> int:
    """The weight, if it is one. Raises TrafficError."""
    if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= 100:
        raise TrafficError(f"weight is {weight!r}: the candidate's share is a whole number of percent, 0 to 100")
    return weight


def named(rollout: str) -> str:
    """The rollout's id, if it is one. Raises TrafficError."""
    if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", rollout):
        raise TrafficError(f"{rollout!r} is no id of a rollout: those are 1 to 64 letters, digits and hyphens")
    return rollout
