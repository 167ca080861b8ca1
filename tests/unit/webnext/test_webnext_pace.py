"""How fast deliveries go out: on a clock of the test's own, against receivers that take so many a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from webnext.alerts.consumer import CONCURRENCY
from webnext.alerts.pace import FASTER_AFTER, FIRST_SECONDS, FREE, LONGEST_SECONDS, SLOWEST_SECONDS, Pace

ANSWER = 0.05
"""Seconds that a receiver takes for an answer."""
Receiver = Callable[[float], float | None]
"""Whether it takes what comes at this second: None, or what its Retry-After says."""


@dataclass
class Queue:
    """What BullMQ's limiter does with a queue that never empties, and CONCURRENCY deliveries at a time."""

    pace: Pace = field(init=False)
    now: float = 0.0
    taken: list[float] = field(default_factory=list)
    refused: int = 0
    _until: float = 0.0
    _count: float = 0

    def __post_init__(self) -> None:
        self.pace = Pace(lambda: self.now)

    def send(self, alerts: int, receiver: Receiver) -> None:
        """Deliver so many."""
        under_way: deque[tuple[float, float, float | None]] = deque()
        while len(self.taken) < alerts:
            begins = len(under_way) < CONCURRENCY and self._begins()
            if begins or not under_way:
                if not begins:
                    self.now = self._until
                    continue
                under_way.append((self.now + ANSWER, self.now, receiver(self.now)))
                continue
            free = self._until if len(under_way) < CONCURRENCY else float("inf")
            if free < under_way[0][0]:
                self.now = free
                continue
            self.now, begun, wait = under_way.popleft()
            if wait is None:
                self.taken.append(begun)
                self.pace.took()
            else:
                self.refused += 1
                self._count, self._until = float("inf"), self.now + self.pace.refused(begun, wait if wait else None)

    def _begins(self) -> bool:
        limiter = self.pace.limiter
        if self.now >= self._until:
            self._count = 0
        if self._count >= limiter["max"]:
            return False
        self._count += 1
        if self._count == 1:
            self._until = self.now + limiter["duration"] / 1000
        return True


def one_in(seconds: float, says: float) -> Receiver:
    """A receiver that takes one in so many seconds, and says to all others to come again after `says`."""
    last = -seconds

    def take(at: float) -> float | None:
        nonlocal last
        if at - last < seconds - 1e-9:
            return says
        last = at
        return None

    return take


@pytest.mark.parametrize("says", [1, 0], ids=["that says when", "that says nothing"])
def test_six_hundred_alerts_go_out_at_the_pace_of_a_receiver_of_one_a_second(says: float) -> None:
    queue = Queue()
    queue.send(600, one_in(1, says))

    assert len(queue.taken) == 600
    assert 599 <= queue.taken[-1] < 1.1 * 600, "a tenth is lost to looking whether it takes more"
    assert queue.refused < 60


@pytest.mark.parametrize(("seconds", "says", "share"), [(0.1, 1, 0.4), (2, 2, 0.9), (30, 30, 0.8)])
def test_any_other_pace_is_found_too(seconds: float, says: float, share: float) -> None:
    queue = Queue()
    queue.send(400, one_in(seconds, says))

    assert 400 * seconds / queue.taken[-1] > share


def test_a_receiver_that_has_room_again_gets_all_within_a_minute() -> None:
    queue = Queue()
    queue.send(50, one_in(1, 1))
    ends = queue.now
    queue.send(2000, lambda _: None)

    assert queue.pace.limiter == FREE
    assert sum(at < ends + 60 for at in queue.taken) > 50 + 6 * FASTER_AFTER


def test_what_was_under_way_with_a_refused_one_slows_nothing_down_further() -> None:
    now = [10.0]
    pace = Pace(lambda: now[0])
    assert [pace.refused(begun, 30) for begun in (9.9, 9.8, 9.9)] == [30, 30, 30]
    assert pace.limiter == {"max": 1, "duration": 1020}
    now[0] = 41
    assert pace.refused(40.5, 30) == 30
    assert pace.limiter == {"max": 1, "duration": 2040}


@pytest.mark.parametrize(
    ("said", "waits"),
    [(0, FIRST_SECONDS), (0.2, FIRST_SECONDS), (120, 120), (1e9, LONGEST_SECONDS), (None, FIRST_SECONDS)],
)
def test_a_wait_is_a_second_at_least_and_some_minutes_at_most(said: float | None, waits: float) -> None:
    assert Pace(lambda: 0.0).refused(0.0, said) == waits


def test_an_interval_grows_while_it_is_too_short_and_ends_somewhere() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    waits = []
    for _ in range(6):
        now[0] += 10
        waits.append(pace.refused(now[0] - 1, None))
    assert waits == [1.02, 2.04, 4.08, SLOWEST_SECONDS, SLOWEST_SECONDS, SLOWEST_SECONDS]
