"""Traffic as a rule sees it: what both tracks were asked and what was bad of it, in steps of ten seconds."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from math import exp, log
from random import Random
from typing import NamedTuple

from cutover.gates.evidence import Tally

STEP = 10
"""Seconds."""
HOUR = 3600


class Track:
    """One track's requests, step by step."""

    def __init__(self, steps: Sequence[Tally]) -> None:
        self.seconds = len(steps) * STEP
        self._bad = [0, *accumulate(step.bad for step in steps)]
        self._of = [0, *accumulate(step.of for step in steps)]

    def between(self, since: int, until: int) -> Tally:
        """What was counted in these seconds; nothing was counted before 0."""
        first, last = max(since, 0) // STEP, until // STEP
        return Tally(self._bad[last] - self._bad[first], self._of[last] - self._of[first])


class Traffic(NamedTuple):
    """Both tracks over the same time."""

    candidate: Track
    stable: Track

    @property
    def looks(self) -> range:
        """The ends of the steps, in seconds."""
        return range(STEP, self.candidate.seconds + STEP, STEP)


def simulated(chance: Random, rate: float, candidate: Sequence[float], stable: Sequence[float]) -> Traffic:
    """So many requests a second to each track, by a Poisson process, and bad by the share of their step, each on its
    own."""
    return Traffic(*(Track([_step(chance, rate, share) for share in shares]) for shares in (candidate, stable)))


def steady(share: float, seconds: int = HOUR) -> list[float]:
    """The same share all the time."""
    return [share] * (seconds // STEP)


def bursts(chance: Random, mean: float, seconds: int = HOUR, *, within: float = 0.3, last: int = 20) -> list[float]:
    """Errors that come together: in a burst the share is `within`, between bursts nothing is bad, and the share of all
    time is `mean`. Bursts last for `last` seconds on average, by whole steps."""
    ends = STEP / last
    begins = ends * mean / (within - mean)
    shares, burst = [], chance.random() < mean / within
    for _ in range(seconds // STEP):
        shares.append(within if burst else 0.0)
        burst = chance.random() >= ends if burst else chance.random() < begins
    return shares


def ramp(share: float, seconds: int = HOUR) -> list[float]:
    """From nothing to the share, in a straight line."""
    steps = seconds // STEP
    return [share * (step + 0.5) / steps for step in range(steps)]


def late(before: float, share: float, seconds: int = HOUR) -> list[float]:
    """The share from half-time on, and `before` until then."""
    half = seconds // STEP // 2
    return [before] * half + [share] * half


def _step(chance: Random, rate: float, share: float) -> Tally:
    bad = _poisson(chance, rate * share * STEP)
    return Tally(bad, bad + _poisson(chance, rate * (1 - share) * STEP))


def _poisson(chance: Random, mean: float) -> int:
    return bisect(_distribution(round(mean, 9)), chance.random())


@cache
def _distribution(mean: float) -> list[float]:
    """How likely is at most 0, 1, 2, …"""
    cumulative: list[float] = []
    likely, total = -mean, 0.0
    while total < 1 - 1e-12 and len(cumulative) < 20 * mean + 50:
        total += exp(likely)
        cumulative.append(total)
        likely += log(mean) - log(len(cumulative)) if mean else -1e9
    return cumulative
