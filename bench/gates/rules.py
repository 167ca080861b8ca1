"""The rules, each as its source has it. A rule is given all of the traffic and says how it ends, and when.

Whatever a rule compares with is the same limit. Its other values are those of its documentation's example, or the
defaults of its code: docs/gates.md names the sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from bench.gates.traffic import Traffic
from cutover.gates.evidence import RESTARTS_EACH, Tally, combined, evidence, failed, needed, restarts

LIMIT = 0.02


class Ending(StrEnum):
    """What becomes of the candidate."""

    ROLLED_BACK = "rolled back"
    PASSED = "passed"
    HELD = "held"
    """Neither: a person is asked."""


class Verdict(NamedTuple):
    """The ending, and the second at which it was said."""

    ending: Ending
    at: int


class Rule(Protocol):
    """One way of deciding."""

    def judge(self, traffic: Traffic) -> Verdict:
        """How it ends."""


@dataclass(frozen=True)
class Threshold:
    """Whoever sees more than the limit in the window rolls back. It is looked at every ten seconds, as soon as `least`
    requests are in the window."""

    window: int = 300
    least: int = 1

    def judge(self, traffic: Traffic) -> Verdict:
        for now in traffic.looks:
            seen = traffic.candidate.between(now - self.window, now)
            if seen.of >= self.least and over(seen):
                return Verdict(Ending.ROLLED_BACK, now)
        return Verdict(Ending.PASSED, traffic.candidate.seconds)


@dataclass(frozen=True)
class Flagger:
    """A check each `interval` asks for the success rate of the last minute. A check that is below the limit, or has no
    value, is a failed one; they are counted over all of the analysis. At `threshold` the next check rolls back instead
    of looking. After `steps` checks that were good (maxWeight / stepWeight) the candidate is promoted."""

    interval: int = 60
    threshold: int = 10
    steps: int = 10
    window: int = 60

    def judge(self, traffic: Traffic) -> Verdict:
        failures = passes = 0
        for now in range(self.interval, traffic.candidate.seconds + 1, self.interval):
            if failures >= self.threshold:
                return Verdict(Ending.ROLLED_BACK, now)
            seen = traffic.candidate.between(now - self.window, now)
            if not seen.of or over(seen):
                failures += 1
                continue
            passes += 1
            if passes == self.steps:
                return Verdict(Ending.PASSED, now)
        return Verdict(Ending.HELD, traffic.candidate.seconds)


@dataclass(frozen=True)
class Argo:
    """A measurement at the start and each `interval` asks for the success rate of `window`. It is successful within the
    limit. Else it has failed; with `fails_at`, a share, only from there on, and is inconclusive between the two.
    Without traffic the query's answer is NaN, which is within no limit; without any request since the start it is
    empty, and an error. More failures than `failure_limit` abort, and so do more errors in a row than
    `consecutive_error_limit`; more that are inconclusive than `inconclusive_limit` pause. After `count` measurements,
    or at the end of the rollout's steps, the analysis is successful."""

    interval: int = 300
    failure_limit: int = 3
    count: int | None = None
    window: int = 300
    fails_at: float | None = None
    inconclusive_limit: int = 0
    consecutive_error_limit: int = 4

    def judge(self, traffic: Traffic) -> Verdict:
        failures = inconclusive = errors = taken = 0
        for now in range(0, traffic.candidate.seconds + 1, self.interval):
            if not traffic.candidate.between(0, now).of:
                errors += 1
                if errors > self.consecutive_error_limit:
                    return Verdict(Ending.ROLLED_BACK, now)
                continue
            taken += 1  # there is an answer from now on, so errors come in a row or not at all
            seen = traffic.candidate.between(now - self.window, now)
            if not seen.of or over(seen):
                certain = self.fails_at is None or (seen.of and seen.bad / seen.of > self.fails_at)
                failures, inconclusive = failures + bool(certain), inconclusive + (not certain)
            if failures > self.failure_limit:
                return Verdict(Ending.ROLLED_BACK, now)
            if inconclusive > self.inconclusive_limit:
                return Verdict(Ending.HELD, now)
            if taken == self.count:
                return Verdict(Ending.PASSED, now)
        return Verdict(Ending.PASSED, traffic.candidate.seconds)


@dataclass(frozen=True)
class Alarm:
    """CloudWatch's alarm on a ratio, which ends an ECS deployment: `points` of the last `periods` minutes over the
    limit. A minute without requests has no data point."""

    points: int = 2
    periods: int = 3
    period: int = 60

    def judge(self, traffic: Traffic) -> Verdict:
        breaching: list[bool | None] = []
        for now in range(self.period, traffic.candidate.seconds + 1, self.period):
            seen = traffic.candidate.between(now - self.period, now)
            breaching.append(over(seen) if seen.of else None)
            if self.state(breaching[-self.periods - 2 :]) == "ALARM":
                return Verdict(Ending.ROLLED_BACK, now)
        return Verdict(Ending.PASSED, traffic.candidate.seconds)

    def state(self, reach: Sequence[bool | None]) -> str:
        """Of the data points that it looks at, oldest first, None for a missing one; they are two more than it needs,
        as in the documentation's tables. Missing data are treated as missing, which is the default."""
        there = [point for point in reach if point is not None]
        if sum(there[-self.periods :]) >= self.points:
            return "ALARM"
        if False in there:
            return "OK"
        # all that are there breach: enough if the oldest of them is as old as the points that are needed
        return "ALARM" if there and len(reach) - reach.index(True) >= self.points else "INSUFFICIENT_DATA"


@dataclass(frozen=True)
class Evidence:
    """Ours: the ratio over all since the start, and since each of the two newest quarters of an hour, looked at every
    ten seconds. At the end `needed` requests and a share within the limit pass; else a person is asked."""

    def judge(self, traffic: Traffic) -> Verdict:
        seen = Tally(0, 0)
        for now in traffic.looks:
            before, seen = seen, traffic.candidate.between(0, now)
            if seen.bad > before.bad and failed(self._found(traffic, now), seen):
                return Verdict(Ending.ROLLED_BACK, now)
        passed = seen.of >= needed(LIMIT) and not over(seen)
        return Verdict(Ending.PASSED if passed else Ending.HELD, traffic.candidate.seconds)

    def _found(self, traffic: Traffic, now: int) -> float:
        newest = int(now / RESTARTS_EACH)
        begun = [0, *(int(each * RESTARTS_EACH) for each in range(max(1, newest - 1), newest + 1))]
        whole, *since = (evidence(LIMIT, traffic.candidate.between(begin, now)) for begin in begun)
        return combined(whole, since, restarts(traffic.candidate.seconds))


def over(seen: Tally) -> bool:
    """Whether more than the limit is bad."""
    return seen.bad > LIMIT * seen.of
