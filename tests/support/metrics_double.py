"""A Prometheus that has been told what its series are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from cutover.errors import UnreachableError
from cutover.gates.rises import APP, EDGE
from cutover.prometheus import Prometheus, Series, Steps

Figure = Callable[[float], float | None]
"""A value at so many seconds since the window began; None where there is no sample."""


def evenly(total: float, seconds: float = 600.0) -> Figure:
    """What rises evenly to a total."""
    return lambda at: total * at / seconds


@dataclass
class Told:
    """`counters`, `alerts` and `up`, what dependencies are, are series; `answers` are figures for instant queries, by
    a part of the query, with their labels."""

    counters: list[tuple[dict[str, str], Figure]] = field(default_factory=list)
    alerts: list[tuple[dict[str, str], Figure]] = field(default_factory=list)
    up: list[tuple[dict[str, str], Figure]] = field(default_factory=list)
    answers: list[tuple[str, dict[str, str], float]] = field(default_factory=list)
    away: bool = False
    asked: list[str] = field(default_factory=list)

    def answered(self, track: str, total: float, **labels: str) -> None:
        """So many answers at the edge, which rose evenly."""
        named = {"outcome": "other", "answered_by": "app", "mock": "false", **labels}
        self.counters.append(
            ({"__name__": "web_next_edge_answers_total", "job": "edge", "track": track, **named}, evenly(total))
        )

    def took(self, track: str, **buckets: float) -> None:
        """The edge's histogram: so many requests took at most so many milliseconds; `all` of them."""
        for bound, total in buckets.items():
            le = "+Inf" if bound == "all" else str(int(bound.strip("ms")) / 1000)
            labels = {"__name__": "web_next_edge_request_seconds_bucket", "job": "edge", "track": track, "le": le}
            self.counters.append((labels, evenly(total)))

    def counted(self, track: str, name: str, total: float, **labels: str) -> None:
        """What the app of a track has counted."""
        self.counters.append(({"__name__": name, "job": "app", "track": track, **labels}, evenly(total)))

    def prometheus(self) -> Prometheus:
        return _Double(httpx.Client(trust_env=False), self)


@dataclass(frozen=True)
class _Double(Prometheus):
    told: Told

    def query(self, expression: str, at: datetime | None = None) -> list[dict[str, Any]]:
        self._ask(expression)
        return [
            {"metric": labels, "value": [0, str(value)]}
            for part, labels, value in self.told.answers
            if part in expression
        ]

    def range(self, expression: str, steps: Steps) -> list[Series]:
        self._ask(expression)
        series = self.told.counters if expression in (EDGE, *APP) else []
        if "ALERTS" in expression:
            series = self.told.alerts
        if "dependency_up" in expression:
            series = self.told.up
        moments = [number * steps.seconds for number in range(steps.count + 1)]
        return [
            Series(labels, [figure(at) for at in moments]) for labels, figure in series if _is_of(expression, labels)
        ]

    def _ask(self, expression: str) -> None:
        self.told.asked.append(expression)
        if self.told.away:
            raise UnreachableError("Prometheus does not answer")


def _is_of(expression: str, labels: dict[str, str]) -> bool:
    """Whether a selector of counters means the series; every other expression means all of its kind."""
    if expression not in (EDGE, *APP):
        return True
    return labels["__name__"] in expression and f'job="{labels["job"]}"' in expression
