"""A stretch of time as Prometheus has it, in steps: what counters rose by in it, to the one, and what of it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import NamedTuple

from cutover.prometheus import Prometheus, Series, Steps

LEAST_STEP = 2.0
"""Seconds: as far apart as the edge's reader is scraped."""
MOST_STEPS = 500
"""A day is 500 steps of three minutes: some 60,000 figures, however many requests there were."""
STARTED = "process_start_time_seconds"
_TARGETS = '{__name__=~"up|process_start_time_seconds",job=~"edge|app"}'


Labels = Mapping[str, str]
Target = tuple[str, str]
"""A job and an instance of it."""
BEFORE = 15.0
"""Seconds, three scrapes: the newest sample at a moment is no older."""


class Restart(NamedTuple):
    """A target has a new process at a moment; `span` moments before it still had the one that began at `began`."""

    target: Target
    moment: int
    span: int
    began: float

    def last(self, steps: Steps) -> float:
        """When the process before was last seen, as Unix time."""
        return steps.start.timestamp() + (self.moment - self.span) * steps.seconds


@dataclass(frozen=True)
class Window:
    """The steps, and for each whether it counts. `started` says of a target, by job and instance, when its process
    began, at each moment; `measured` whether it was scraped."""

    prometheus: Prometheus = field(repr=False)
    steps: Steps
    counts: list[bool]
    started: Mapping[Target, list[float | None]]
    measured: Mapping[Target, list[float | None]]

    @classmethod
    def of(cls, prometheus: Prometheus, steps: Steps) -> Window:
        """The window, all of it counting. Raises what Prometheus raises."""
        found: dict[str, dict[Target, list[float | None]]] = {}
        for series in prometheus.range(_TARGETS, steps):
            found.setdefault(series.labels["__name__"], {})[_target(series)] = series.values
        started, measured = found.get(STARTED, {}), found.get("up", {})
        return cls(prometheus, steps, [True] * steps.count, started, measured)

    @property
    def observed(self) -> float:
        """The seconds that count."""
        return sum(self.counts) * self.steps.seconds

    def without(self, bad: Iterable[int], *, before: float, after: float) -> Window:
        """The window in which the steps that end at a bad moment do not count, nor those so many seconds around it."""
        counts = list(self.counts)
        reach = round(before / self.steps.seconds + 0.5), round(after / self.steps.seconds + 0.5)
        for moment in bad:
            first, last = max(0, moment - 1 - reach[0]), min(self.steps.count, moment + reach[1])
            counts[first:last] = [False] * (last - first)
        return Window(self.prometheus, self.steps, counts, self.started, self.measured)

    def inner(self, seconds: float) -> Window:
        """The window without the seconds next to its ends and to what does not count."""
        out = [moment for moment, counts in enumerate(self.counts, 1) if not counts]
        return self.without([*out, 0, self.steps.count + 1], before=seconds, after=seconds)

    def after(self, moment: datetime) -> Window:
        """The window in which only the steps count that begin at a moment or later."""
        first = ceil((moment - self.steps.start).total_seconds() / self.steps.seconds)
        counts = [counted and step >= first for step, counted in enumerate(self.counts)]
        return Window(self.prometheus, self.steps, counts, self.started, self.measured)

    def rises(self, *selectors: str) -> list[tuple[Labels, list[float]]]:
        """For each series of the selectors its labels, and by how much it rose in each step, whether that counts or
        not. A series that began within the window began at 0. Raises what Prometheus raises."""
        found = {
            frozenset(series.labels.items()): series
            for selector in selectors
            for series in self.prometheus.range(selector, self.steps)
        }
        restarts = [(restart, self._over(restart, selector)) for restart in self._restarts() for selector in selectors]
        nothing: list[float | None] = [None] * (self.steps.count + 1)
        for _, rises in restarts:  # what came and went between two moments is in no range
            for labels in rises:
                found.setdefault(labels, Series(dict(labels), nothing))
        rises_of = {labels: self._rise(series) for labels, series in found.items()}
        for restart, rises in restarts:
            for labels, rise in rises.items():
                rises_of[labels][restart.moment - 1] = rise
        return [(dict(labels), rise) for labels, rise in rises_of.items()]

    def total(self, rise: list[float]) -> float:
        """What of a rise counts."""
        return sum(each for each, counts in zip(rise, self.counts, strict=True) if counts)

    def _rise(self, series: Series) -> list[float]:
        """What a series rose by, but for the steps in which its process was started anew."""
        rise, known = [0.0] * self.steps.count, series.values[0]
        for moment, value in enumerate(series.values[1:], 1):
            if value is not None:
                before = self._before(series, moment) if known is None else known
                rise[moment - 1] = value - before if value >= before else value
                known = value
            elif any(restart.moment == moment for restart in self._restarts_of(_target(series))):
                known = 0.0
        return rise

    def _before(self, series: Series, moment: int) -> float:
        """What a series that first shows at a moment had already counted when the window began: nothing, where its
        process began later or was measured without it; else nobody knows, and all of it counts as before."""
        target = _target(series)
        start = self.started[target][moment] if target in self.started else None
        began_within = start is not None and start >= self.steps.start.timestamp()
        was_measured = target in self.measured and self.measured[target][moment - 1] == 1
        return 0.0 if began_within or was_measured else series.values[moment] or 0.0

    def _restarts(self) -> list[Restart]:
        return [restart for target in self.started for restart in self._restarts_of(target)]

    def _restarts_of(self, target: Target) -> list[Restart]:
        """The moments at which a target shows another process than before."""
        seen = [(moment, start) for moment, start in enumerate(self.started.get(target, [])) if start is not None]
        return [
            Restart(target, moment, moment - last, began)
            for (last, began), (moment, start) in pairwise(seen)
            if start != began
        ]

    def _over(self, restart: Restart, selector: str) -> dict[frozenset[tuple[str, str]], float]:
        """What each series of the target rose by since it was last seen before a restart, sample by sample: each
        process counts from 0."""
        job, instance = restart.target
        own = f'job="{job}",instance="{instance}"'
        [(_, starts)] = self._samples(f"{STARTED}{{{own}}}", restart) or [({}, [])]
        rises = {}
        for labels, samples in self._samples(f"{selector[:-1]},{own}}}", restart):
            rise, known, began = 0.0, None, restart.began
            for at, value in samples:
                start = dict(starts).get(at, began)
                if at > restart.last(self.steps):
                    rise += value - (known or 0.0) if start == began and value >= (known or 0.0) else value
                known, began = value, start
            rises[frozenset(labels.items())] = rise
        return rises

    def _samples(self, selector: str, restart: Restart) -> list[tuple[Labels, list[tuple[float, float]]]]:
        """The samples of each series since a target was last seen before a restart, and those shortly before: when,
        and what."""
        at = self.steps.start + timedelta(seconds=restart.moment * self.steps.seconds)
        span = int((restart.span * self.steps.seconds + BEFORE) * 1000)
        return [
            (each["metric"], [(float(when), float(value)) for when, value in each["values"]])
            for each in self.prometheus.query(f"{selector}[{span}ms]", at=at)
        ]


def moments(series: Iterable[Series], is_bad: Callable[[float], bool]) -> list[int]:
    """The moments at which any of the series is bad."""
    return sorted(
        {moment for each in series for moment, value in enumerate(each.values) if value is not None and is_bad(value)}
    )


def _target(series: Series) -> Target:
    return series.labels.get("job", ""), series.labels.get("instance", "")
