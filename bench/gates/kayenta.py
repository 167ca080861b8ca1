"""Kayenta's default judge on one metric, bad requests in per cent by the minute, candidate against stable.

The Mann-Whitney test is the one that R calls wilcox.test: the confidence interval of the shift between the two, from
the normal approximation with correction for continuity and ties. Its ends are roots of a function with steps, found to
1e-4. That is part of the rule: with many equal values, as at few requests, the roots lie beside a step, and where
exactly decides.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import sqrt
from statistics import NormalDist, fmean

from bench.gates.rules import Ending, Verdict
from bench.gates.traffic import Track, Traffic

PRECISION = 1e-4


@dataclass(frozen=True)
class Kayenta:
    """A judgement each `interval` of a growing look-back, and at the end. `high` is worse by the test and by more than
    the tolerance. The score of one metric is 100 or 0: below `marginal` the canary fails at once; the last one has to
    reach `passing`. Minutes without requests are left out; without any the metric has no data, and a canary fails
    where half of the metrics or more have none."""

    interval: int = 3600
    step: int = 60
    tolerance: float = 0.25
    confidence: float = 0.98
    allowed_increase: float = 1.0
    marginal: float = 75
    passing: float = 95

    def judge(self, traffic: Traffic) -> Verdict:
        score, end = 0.0, traffic.candidate.seconds
        for now in (*range(self.interval, end, self.interval), end):
            score = self.score(*(self._points(track, now) for track in (traffic.candidate, traffic.stable)))
            if score < self.marginal:
                return Verdict(Ending.ROLLED_BACK, now)
        return Verdict(Ending.PASSED if score >= self.passing else Ending.ROLLED_BACK, end)

    def score(self, candidate: Sequence[float], stable: Sequence[float]) -> float:
        """0 to 100."""
        if not candidate or not stable:
            return 0.0
        return 0.0 if self.high(without_outliers(candidate), without_outliers(stable)) else 100.0

    def high(self, candidate: Sequence[float], stable: Sequence[float]) -> bool:
        """Whether the metric is classified as High; the direction is 'increase'."""
        if sorted(candidate) == sorted(stable) or len({*candidate, *stable}) == 1:
            return False
        mean = fmean(stable)
        ratio = fmean(candidate) / mean if mean else 1.0
        if ratio < self.allowed_increase:
            return False
        lower, estimate = shift(candidate, stable, self.confidence)
        return lower > self.tolerance * abs(estimate)

    def _points(self, track: Track, now: int) -> list[float]:
        minutes = (track.between(end - self.step, end) for end in range(self.step, now + 1, self.step))
        return [100 * seen.bad / seen.of for seen in minutes if seen.of]


def without_outliers(values: Sequence[float]) -> list[float]:
    """Those within three interquartile ranges of the quartiles, or within the first and the last hundredth."""
    low, high = percentile(values, 25), percentile(values, 75)
    least = min(percentile(values, 1), low - 3 * (high - low))
    most = max(percentile(values, 99), high + 3 * (high - low))
    return [value for value in values if least <= value <= most]


def percentile(values: Sequence[float], p: float) -> float:
    """By the position p (n + 1), as Apache Commons Math has it."""
    ordered, position = sorted(values), p * (len(values) + 1) / 100
    whole = int(position)
    if whole < 1:
        return ordered[0]
    if whole >= len(ordered):
        return ordered[-1]
    return ordered[whole - 1] + (position - whole) * (ordered[whole] - ordered[whole - 1])


def shift(candidate: Sequence[float], stable: Sequence[float], confidence: float) -> tuple[float, float]:
    """By how much the candidate's values are above stable's: the interval's lower end, and the estimate."""
    z = _statistic(candidate, stable)
    least, most = min(candidate) - max(stable), max(candidate) - min(stable)
    quantile = _quantile(confidence)
    at_least, at_most = z(least), z(most)
    if at_least <= quantile:
        lower = least
    elif at_most >= quantile:
        lower = most
    else:
        lower = root(lambda by: z(by) - quantile, least, most)
    return lower, root(z, least, most)


def _statistic(candidate: Sequence[float], stable: Sequence[float]) -> Callable[[float], float]:
    """The test's statistic if the candidate's values are lowered by so much."""
    own = sorted(Counter(candidate).items())
    others = sorted(Counter(stable).items())
    values = [value for value, _ in others]
    below = [0, *accumulate(times for _, times in others)]
    n, m = len(candidate), len(stable)
    tied = sum(times**3 - times for _, times in (*own, *others))

    def z(by: float) -> float:
        u, ties = 0.0, tied
        for value, times in own:
            place = bisect_left(values, value - by)
            u += times * below[place]
            if place < len(values) and values[place] == value - by:
                equal = others[place][1]
                u += times * equal / 2
                ties += (times + equal) ** 3 - times**3 - equal**3
        from_middle = u - n * m / 2
        continuity = 0.5 * ((from_middle > 0) - (from_middle < 0))
        variance = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)))
        return (from_middle - continuity) / sqrt(variance)

    return z


@cache
def _quantile(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def root(function: Callable[[float], float], a: float, b: float) -> float:
    """Where the function changes its sign between a and b, by Brent's method (1973) as R has it."""
    fa, fb = function(a), function(b)
    c, fc = a, fa
    if fa == 0:
        return a
    while fb != 0:
        before = b - a
        if abs(fc) < abs(fb):
            a, b, c = b, c, b
            fa, fb, fc = fb, fc, fb
        least = 4.4e-16 * abs(b) + PRECISION / 2
        half = (c - b) / 2
        if abs(half) <= least:
            break
        step = half
        if abs(before) >= least and abs(fa) > abs(fb):
            step = _interpolated(a, b, c, fa, fb, fc, before, least) or half
        if abs(step) < least:
            step = least if step > 0 else -least
        a, fa = b, fb
        b += step
        fb = function(b)
        if fb * fc > 0:
            c, fc = a, fa
    return b


def _interpolated(
    a: float, b: float, c: float, fa: float, fb: float, fc: float, before: float, least: float
) -> float | None:
    """The step by a line or a parabola, None if it is not trusted."""
    s = fb / fa
    if a == c:
        p, q = (c - b) * s, 1 - s
    else:
        r, t = fa / fc, fb / fc
        p = s * ((c - b) * r * (r - t) - (b - a) * (t - 1))
        q = (r - 1) * (t - 1) * (s - 1)
    p, q = abs(p), -q if p > 0 else q
    trusted = p < 0.75 * (c - b) * q - abs(least * q) / 2 and p < abs(before * q / 2)
    return p / q if trusted else None
