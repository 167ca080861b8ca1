"""Against what 'slower than stable' is counted."""

from __future__ import annotations

from collections.abc import Mapping

FLOOR = 0.25
"""Seconds: who is below it is slow against nobody."""
WORSE = 1.2
"""So much slower than stable's P95 a candidate may be (playbook row 8, 'metrics stable')."""


def slow_bound(buckets: Mapping[float, float]) -> float | None:
    """The least bound of a histogram of stable's that is at least WORSE times its P95, and at least FLOOR; None without
    one. `buckets` says how many took at most so many seconds, all of them at infinity."""
    whole, below, lower = buckets.get(float("inf"), 0.0), 0.0, 0.0
    bounds = sorted(bound for bound in buckets if bound != float("inf"))
    for bound in bounds:
        seen = buckets[bound]
        if whole and seen >= 0.95 * whole:
            inside = (0.95 * whole - below) / (seen - below) if seen > below else 1.0
            least = max(FLOOR, WORSE * (lower + inside * (bound - lower)))
            return min((each for each in bounds if each >= least), default=None)
        below, lower = seen, bound
    return None
