"""Whether the weight may rise at a moment: the windows of a stack's file in which nobody may. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from outputs.rollout import WEEK, FreezeWindow

FURTHEST = timedelta(days=31)
"""How far ahead the end of windows that follow one another is looked for."""


@dataclass(frozen=True)
class Frozen:
    """Nothing may rise before `until`, in UTC, for `reason`: of several windows, the first in the file."""

    until: datetime
    reason: str


def frozen(windows: Sequence[FreezeWindow], at: datetime) -> Frozen | None:
    """The freeze that is on at a moment, which has an offset; None where there is none.

    Windows that overlap or follow one another without a gap are one freeze.
    """
    reason, until = None, at.astimezone(UTC)
    while until - at < FURTHEST:
        over = [
            (end, window.reason) for window in windows for start, end in _periods(window, until) if start <= until < end
        ]
        if not over:
            break
        reason, until = reason or over[0][1], max(end for end, _ in over)
    return Frozen(until, reason) if reason else None


def _periods(window: FreezeWindow, near: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When the window that may be on at `near` begins and ends, in UTC."""
    start, end = window.start, window.end
    if isinstance(start, datetime) and isinstance(end, datetime):
        yield start.astimezone(UTC), end.astimezone(UTC)
    elif isinstance(start, time) and isinstance(end, time) and window.days:
        zone = ZoneInfo(window.timezone)
        today = near.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            if day.weekday() in _weekdays(window.days):
                last = day + timedelta(days=end <= start)
                yield (
                    datetime.combine(day, start, zone).astimezone(UTC),
                    datetime.combine(last, end, zone).astimezone(UTC),
                )


def _weekdays(days: str) -> set[int]:
    first, _, last = days.partition("-")
    begin = WEEK.index(first)
    return {(begin + more) % 7 for more in range((WEEK.index(last or first) - begin) % 7 + 1)}
