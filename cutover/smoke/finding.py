"""What a check found: one line of a report, and what a verdict is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from outputs.shape import Shape
from outputs.smoke import Criterion


class Outcome(StrEnum):
    """What became of a check."""

    PASS = "pass"  # noqa: S105
    RETRIED = "passed on retry"
    FAIL = "fail"
    NOT_RUN = "not run"

    @property
    def stands(self) -> bool:
        """Whether the check has passed, at once or on retry."""
        return self in (Outcome.PASS, Outcome.RETRIED)


@dataclass(frozen=True, kw_only=True)
class Finding(Shape):
    """What `check` did and saw, each in a clause, from `at` (UTC) for `seconds`. Without a `criterion` it counts for
    none of the nine: where it failed it is a caveat."""

    check: str
    criterion: Criterion | None = None
    did: str
    saw: str
    outcome: Outcome
    at: datetime
    seconds: float


def now() -> datetime:
    """The time in UTC, in whole milliseconds: what a report holds is what is read back of it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
