"""A model of nginx's leaky bucket: how likely one edge's answers are under a limit, a neighbour's requests included.

nginx keeps one figure for each client address, the excess: it drains at the configured rate, a request adds one, and
a request that finds more than `burst` is refused and adds nothing (ngx_http_limit_req_module). Only nginx knows the
moment of its decision; a client knows that it lies between sending and receiving. Whoever else sends from the same
address adds to the excess unseen. So the model keeps a distribution of the excess, moves it forward from answer to
answer, and multiplies the probabilities of the answers: the likelihood of the limit.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Protocol

CLOCK_SLACK = 0.003
"""Seconds added to both ends of every interval: nginx's clock ticks once per event loop, in milliseconds."""
STRAY = 1e-4
"""Probability of an answer that the limit doesn't explain: a reload that forgot its addresses, for example."""
USED = 1e-3
"""Probability that somebody filled the bucket to anywhere before the first request."""

_CELLS = 16  # the distribution's resolution: parts of one request
_SLICES = 8  # moments in a pause at which the neighbour may send, and more in one of more than two requests' time
_NEGLIGIBLE = 1e-8


class Sample(Protocol):
    """A limited request: when it was sent and answered, in seconds of one clock, and whether the answer was 429.
    `edge` names the nginx that answered; a 429 without one is a firewall's or somebody else's."""

    @property
    def sent(self) -> float: ...
    @property
    def received(self) -> float: ...
    @property
    def limited(self) -> bool: ...
    @property
    def edge(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What nginx is told: requests a second, and how many more may come early."""

    rate: float
    burst: int

    @classmethod
    def of(cls, rate_per_minute: int, burst: int) -> Limit:
        """The limit as nginx counts it, in whole thousandths of a request a second."""
        return cls(rate=rate_per_minute * 1000 // 60 / 1000, burst=burst)

    def __str__(self) -> str:
        return f"{self.rate * 60:.3g}/min with burst {self.burst}"

    @property
    def idle_seconds(self) -> float:
        """How long a full bucket takes to be empty."""
        return (self.burst + 1) / self.rate

    def others(self) -> list[Limit]:
        """Half and twice the rate, no burst, half and twice the burst: what a run must tell this limit from."""
        rates = (self.rate / 2, self.rate * 2)
        bursts = {0, self.burst // 2, self.burst + max(self.burst, 5)} - {self.burst}
        return [replace(self, rate=rate) for rate in rates] + [replace(self, burst=burst) for burst in sorted(bursts)]


def steps(samples: Sequence[Sample], limit: Limit) -> float:
    """The most steps that one bucket of a limit takes to meet an edge's answers: how many levels there are, as often
    as they are gone through. Counted and not timed: the same answers are judged everywhere or nowhere."""
    gaps = [later.sent - earlier.sent for earlier, later in pairwise(samples)]
    times = sum(max(_SLICES, gap * limit.rate * _CELLS / 4) for gap in [limit.idle_seconds, *gaps])
    return (limit.burst + 1) * _CELLS * times


class Bucket:
    """One edge's bucket under a limit, while a neighbour sends `neighbour` requests a second from the same address."""

    def __init__(self, limit: Limit, neighbour: float) -> None:
        self.likelihood = 0.0
        """Natural logarithm of the probability of all answers so far."""
        self._limit, self._neighbour = limit, neighbour
        self._levels: Mapping[int, float] = _before(limit, neighbour)
        self._at: float | None = None
        self._undrained = 0.0

    def meet(self, sample: Sample) -> tuple[float, float]:
        """Takes in the next answer. Returns between which figures the excess was that it found, 98 times of 100."""
        at = (sample.sent + sample.received) / 2
        if self._at is not None and at > self._at:
            self._pass_time(at - self._at)
        self._at = at if self._at is None else max(at, self._at)
        found = self._found()
        burst = self._limit.burst
        # The levels are those at the middle of the interval; so much drains in the whole.
        blur = self._limit.rate * (sample.received - sample.sent + 2 * CLOCK_SLACK) + 2 / _CELLS
        spread = round(blur / 2 * _CELLS)
        top = round((burst + 1 + blur / 2) * _CELLS)
        levels: dict[int, float] = defaultdict(float)
        for level, weight in self._levels.items():
            passes = min(1 - STRAY, max(STRAY, 0.5 + (burst - level / _CELLS) / blur))
            if sample.limited:
                levels[level] += weight * (1 - passes)
            elif level == 0:  # an empty bucket begins to drain at the moment of the decision
                for shift in range(-spread, spread + 1):
                    levels[_CELLS + shift] += weight * passes / (2 * spread + 1)
            else:
                levels[min(level + _CELLS, top)] += weight * passes
        total = sum(levels.values())
        self.likelihood += math.log(total)
        self._levels = {level: weight / total for level, weight in levels.items() if weight > _NEGLIGIBLE * total}
        return found

    def _found(self) -> tuple[float, float]:
        levels = sorted(self._levels)
        shares = list(accumulate(self._levels[level] for level in levels))
        low, high = (levels[bisect(shares, share * shares[-1])] for share in (0.01, 0.99))
        return low / _CELLS, high / _CELLS

    def _pass_time(self, seconds: float) -> None:
        drained = seconds * self._limit.rate * _CELLS + self._undrained
        self._undrained = drained % 1
        self._levels = _later(self._levels, int(drained), seconds, self._neighbour, self._limit.burst)


def _later(levels: Mapping[int, float], cells: int, seconds: float, neighbour: float, burst: int) -> dict[int, float]:
    """The distribution after so many cells have drained in so many seconds."""
    slices = max(1, min(cells, max(_SLICES, cells // 4))) if neighbour else 1
    arrives = -math.expm1(-neighbour * seconds / slices)
    now = dict(levels)
    for number in range(slices):
        drained = cells * (number + 1) // slices - cells * number // slices
        later: dict[int, float] = defaultdict(float)
        for level, weight in now.items():
            left = max(0, level - drained)
            if left > burst * _CELLS:
                later[left] += weight
            else:
                later[left] += weight * (1 - arrives)
                later[left + _CELLS] += weight * arrives
        now = {level: weight for level, weight in later.items() if weight > _NEGLIGIBLE}
    return now


@lru_cache
def _before(limit: Limit, neighbour: float) -> Mapping[int, float]:
    """What the first request finds: what the neighbour left, or now and then anything."""
    full = (limit.burst + 1) * _CELLS
    levels = defaultdict(float, _later({0: 1 - USED}, full, limit.idle_seconds, neighbour, limit.burst))
    steps = range(0, full + 1, _CELLS // 4)
    for level in steps:
        levels[level] += USED / len(steps)
    return levels
