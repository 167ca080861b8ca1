"""Every rule over every traffic, many times, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from random import Random
from statistics import median_low
from typing import NamedTuple, Protocol

from bench.gates.kayenta import Kayenta
from bench.gates.rules import LIMIT, Alarm, Argo, Ending, Evidence, Flagger, Rule, Threshold
from bench.gates.traffic import HOUR, Traffic, bursts, late, ramp, simulated, steady

RULES: Mapping[str, Rule] = {
    "threshold": Threshold(),
    "Flagger": Flagger(),
    "Flagger, threshold 1": Flagger(threshold=1),
    "Argo Rollouts": Argo(),
    "Argo Rollouts, 5 × 60 s": Argo(interval=60, failure_limit=0, count=5),
    "alarm 2 of 3": Alarm(),
    "alarm 1 of 1": Alarm(points=1, periods=1),
    "Kayenta": Kayenta(),
    "ours": Evidence(),
}
RATES = (0.1, 0.5, 2.0, 10.0, 50.0)
"""Of the candidate, in requests a second."""
GOOD = (0.0, 0.5, 1.0)
FAULTS = (1.5, 2.0, 3.0, 5.0, 10.0)
"""Shares in limits."""
USUAL = LIMIT / 10
"""Stable's share beside a fault."""


class Scenario(Protocol):
    """The shares of candidate and stable, step by step."""

    def __call__(self, chance: Random) -> tuple[Sequence[float], Sequence[float]]:
        """Those of one run."""


def good(_: Random, share: float) -> tuple[Sequence[float], Sequence[float]]:
    """A release like the one before it."""
    return steady(share), steady(share)


def fault(_: Random, share: float, before: float = USUAL) -> tuple[Sequence[float], Sequence[float]]:
    """A release that is bad from its first request on."""
    return steady(share), steady(before)


def together(chance: Random, mean: float) -> tuple[Sequence[float], Sequence[float]]:
    """A release like the one before it, whose errors come together."""
    return bursts(chance, mean), bursts(chance, mean)


def rising(_: Random, share: float) -> tuple[Sequence[float], Sequence[float]]:
    """A release that gets worse for an hour."""
    return ramp(share), steady(USUAL)


def half_time(_: Random, share: float) -> tuple[Sequence[float], Sequence[float]]:
    """A release that is good for half an hour, and then bad."""
    return late(USUAL, share), steady(USUAL)


STEADY: Mapping[str, Scenario] = {
    **{f"good {times:g}": partial(good, share=times * LIMIT) for times in GOOD},
    **{f"fault {times:g}": partial(fault, share=times * LIMIT) for times in FAULTS},
}
OTHERS: Mapping[str, Scenario] = {
    "worse within": partial(fault, share=LIMIT / 2),
    "bursts": partial(together, mean=LIMIT / 2),
    "ramp": partial(rising, share=5 * LIMIT),
    "late": partial(half_time, share=5 * LIMIT),
}
BEGINS = {"late": HOUR // 2}
"""Seconds after which a fault begins, where it is not there from the start."""


class Cell(NamedTuple):
    """One rule over one traffic."""

    rule: str
    scenario: str
    rate: float


@dataclass(frozen=True)
class Result:
    """What came of all runs: how each ending's share is, and in how many seconds and requests half of them had been
    rolled back, from the beginning of the fault on; infinite where fewer than half ever were."""

    endings: Mapping[Ending, float]
    seconds: float
    requests: float


def compare(runs: int, rules: Mapping[str, Rule] = RULES) -> dict[Cell, Result]:
    """All cells. The same traffic for each rule, and the same each time."""
    return {
        Cell(name, scenario, rate): result
        for rate in RATES
        for scenario, shares in {**STEADY, **OTHERS}.items()
        for name, result in results(rules, list(traffics(runs, rate, scenario, shares)), BEGINS.get(scenario, 0))
    }


def traffics(runs: int, rate: float, name: str, scenario: Scenario) -> Iterator[Traffic]:
    """That of each run."""
    for run in range(runs):
        chance = Random(f"{name} {rate} {run}")
        yield simulated(chance, rate, *scenario(chance))


def results(rules: Mapping[str, Rule], over: Sequence[Traffic], begins: int = 0) -> Iterator[tuple[str, Result]]:
    """Each rule's."""
    for name, rule in rules.items():
        verdicts = [rule.judge(traffic) for traffic in over]
        counted = Counter(verdict.ending for verdict in verdicts)
        found = [
            (verdict.at - begins, traffic.candidate.between(begins, verdict.at).of)
            if verdict.ending is Ending.ROLLED_BACK and verdict.at >= begins
            else (inf, inf)
            for verdict, traffic in zip(verdicts, over, strict=True)
        ]
        yield (
            name,
            Result(
                {ending: counted[ending] / len(over) for ending in Ending},
                median_low(seconds for seconds, _ in found),
                median_low(requests for _, requests in found),
            ),
        )
