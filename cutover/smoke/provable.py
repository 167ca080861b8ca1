"""Which limits of an edge the suite can prove: a run has its seconds, and where others count too its requests."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import count

from cutover.smoke.limit_run import at_once, fast, sparse
from cutover.smoke.limiter import Limit

HARD_STOP_SECONDS = 120.0
"""What has not ended by then never will in a deployment that works: the whole suite takes 20."""
SECONDS = HARD_STOP_SECONDS - 10
"""What of these the rate check has: the other checks' own work takes some."""
OTHERS = 11
"""Limited requests of the other checks before it, at most; it waits until they have drained."""
SPARE = 20
"""A run of the profile prod sends at most so many beside those that make each edge refuse one, before it asks the
replicas."""
MOST_BURST = 200
"""Of a larger one the model of the limiter judges for minutes: its work grows by the square of the burst."""


def requests(limit: Limit, edges: int) -> int:
    """What a run of the profile prod may send before it asks the replicas, the other checks' requests among them."""
    return at_once(limit, edges) + SPARE


@dataclass(frozen=True, kw_only=True)
class Provable:
    """What is provable of `edges` nginx that each have this burst; `few` where a run may send no more than it must,
    in profile prod or because a firewall counts too."""

    burst: int
    edges: int
    few: bool

    @property
    def least_burst(self) -> int:
        """Few requests decide nothing without one: too little passes then to tell the rate from twice the rate."""
        return 1 if self.few else 0

    @property
    def least_rate(self) -> int:
        """Requests a minute. With fewer the check is cut off: what others sent drains first, then its own run takes
        as long as some more need to drain."""
        second = Limit(rate=1.0, burst=self.burst)
        few = sparse(second, self.edges, requests(second, self.edges) - OTHERS) if self.few else None
        drained = OTHERS + (few or fast(second, self.edges)).due[-1]
        rates = count(math.ceil(60 * drained / SECONDS))
        return next(rate for rate in rates if Limit.of(rate, self.burst).rate * SECONDS >= drained)


def most_burst(rate_per_minute: int) -> int:
    """The largest burst that is judged in time, and at this rate drains in time."""
    return min(MOST_BURST, int(Limit.of(rate_per_minute, 0).rate * SECONDS) - 1)
