"""How fast the receiver takes deliveries: learned from what it refuses, kept by BullMQ's rate limiter."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

FIRST_SECONDS = 1.02
"""Between two deliveries once one was refused: Slack allows a webhook one message a second (its "Rate limits"), and a
fiftieth more keeps the next from coming early."""
SLOWEST_SECONDS = 5.0
"""The longest learned interval: a receiver that wants less says so again, and is waited for."""
LONGEST_SECONDS = 300.0
"""The longest that is waited for before it is asked again, whatever it said."""
FASTER_AFTER = 20
"""Deliveries in a row after which half the interval is tried."""
FREE = {"max": 50, "duration": 1000}
"""Deliveries in milliseconds while nothing is known of the receiver."""


class Pace:
    """The pace of one worker. Every refusal doubles the interval, many deliveries in a row halve it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._interval = 0.0
        self._refused_at = -math.inf
        self._in_a_row = 0

    @property
    def limiter(self) -> dict[str, int]:
        """BullMQ's option: at most `max` jobs begin within `duration` milliseconds, over all workers of the queue."""
        return {"max": 1, "duration": math.ceil(1000 * self._interval)} if self._interval else FREE

    def took(self) -> None:
        """A delivery was taken."""
        self._in_a_row += 1
        if self._in_a_row >= FASTER_AFTER:
            self._in_a_row = 0
            faster = self._interval / 2
            self._interval = faster if faster > FREE["duration"] / FREE["max"] / 1000 else 0.0

    def refused(self, begun: float, said: float | None) -> float:
        """A delivery that began at `begun` was too much; return the seconds to wait, `said` where the receiver did."""
        if begun > self._refused_at:  # others that were under way with the refused one tell nothing new
            self._refused_at = self._clock()
            self._in_a_row = 0
            most = min(max(FIRST_SECONDS, said or SLOWEST_SECONDS), SLOWEST_SECONDS)
            self._interval = min(2 * self._interval or FIRST_SECONDS, most)
        return min(max(said or 0.0, self._interval), LONGEST_SECONDS)
