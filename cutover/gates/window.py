"""A stretch of time as Prometheus has it, in steps: what counters rose by in it, to the one, and what of it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

from cutover.prometheus import Prometheus, Series, Steps

LEAST_STEP = 2.0
"""Seconds: as far apart as the edge's reader is scraped."""
MOST_STEPS = 500
"""A day is 500 steps of three minutes: some 60,000 figures, however many requests there were."""
_TARGETS = 'up{job=~"edge|app"} or process_start_time_seconds{job=~"edge|app"}'


@dataclass(frozen=True)
class Window:
    """The steps, and for each whether it counts. `started` says of a target, by job and instance, when its process
    began, at each moment; `measured` whether it was scraped."""

    prometheus: Prometheus = field(repr=False)
    steps: Steps
    counts: list[bool]
    started: Mapping[tuple[str, str], list[float | None]]
    measured: Mapping[tuple[str, str], list[float | None]]

    @classmethod
    def of(cls, prometheus: Prometheus, steps: Steps) -> Window:
        """The window, all of it counting. Raises what Prometheus raises."""
        found: dict[str, dict[tuple[str, str], list[float | None]]] = {}
        for series in prometheus.range(_TARGETS, steps):
            found.setdefault(series.labels["__name__"], {})[_target(series)] = series.values
        started, measured = found.get("process_start_time_seconds", {}), found.get("up", {})
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

    def rises(self, selector: str) -> list[tuple[Mapping[str, str], list[float]]]:
        """For each series of the selector its labels, and by how much it rose in each step, whether that counts or
        not. A series that began within the window began at 0. Raises what Prometheus raises."""
        return [(series.labels, self._rise(series)) for series in self.prometheus.range(selector, self.steps)]

    def total(self, rise: list[float]) -> float:
        """What of a rise counts."""
        return sum(each for each, counts in zip(rise, self.counts, strict=True) if counts)

    def _rise(self, series: Series) -> list[float]:
        nothing: list[float | None] = [None] * (self.steps.count + 1)
        starts = self.started.get(_target(series), nothing)
        rise, known, began = [0.0] * self.steps.count, series.values[0], starts[0]
        for moment, (value, start) in enumerate(zip(series.values, starts, strict=True)):
            anew = start is not None and began is not None and start != began
            if moment and value is not None:
                if known is None:
                    rise[moment - 1] = value - self._before(series, moment)
                elif anew:
                    rise[moment - 1] = self._over_a_restart(series, moment, known)
                else:
                    rise[moment - 1] = value - known if value >= known else value
            if value is not None:
                known = value
            elif anew:
                known = 0.0
            began = began if start is None else start
        return rise

    def _before(self, series: Series, moment: int) -> float:
        """What a series that first shows at a moment had already counted when the window began: nothing, where its
        process began later or was measured without it; else nobody knows, and all of it counts as before."""
        target = _target(series)
        start = self.started[target][moment] if target in self.started else None
        began_within = start is not None and start >= self.steps.start.timestamp()
        was_measured = target in self.measured and self.measured[target][moment - 1] == 1
        return 0.0 if began_within or was_measured else series.values[moment] or 0.0

    def _over_a_restart(self, series: Series, moment: int, known: float) -> float:
        """What a series rose by in the step that ends at a moment, sample by sample."""
        labels = ",".join(f'{name}="{value}"' for name, value in series.labels.items() if name != "__name__")
        at = self.steps.start + timedelta(seconds=moment * self.steps.seconds)
        milliseconds = int(self.steps.seconds * 1000)
        found = self.prometheus.query(f"{series.labels['__name__']}{{{labels}}}[{milliseconds}ms]", at=at)
        samples = [known, *(float(value) for each in found for _, value in each["values"])]
        return sum(after - before if after >= before else after for before, after in pairwise(samples))


def moments(series: Iterable[Series], is_bad: Callable[[float], bool]) -> list[int]:
    """The moments at which any of the series is bad."""
    return sorted(
        {moment for each in series for moment, value in enumerate(each.values) if value is not None and is_bad(value)}
    )


def _target(series: Series) -> tuple[str, str]:
    return series.labels.get("job", ""), series.labels.get("instance", "")
