"""What rose in a window, at the edge and in the apps, as the counts of each track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from cutover.gates.counts import TrackCounts
from cutover.gates.slow import slow_bound
from cutover.gates.window import Window
from outputs.release import Adapter, Track

Adapters = Mapping[str, Adapter]
Series = Sequence[tuple[Mapping[str, str], list[float]]]
EDGE = '{job="edge",traffic="user",__name__=~"web_next_edge_answers_total|web_next_edge_request_seconds_bucket"}'
APP = (
    '{job="app",traffic="user",__name__=~"web_next_audit_inserts_total|web_next_audit_write_duration_seconds_count|'
    'web_next_fallbacks_total|web_next_http_request_duration_seconds_count"}',
    '{job="app",traffic="user",__name__="web_next_audit_write_duration_seconds_bucket",le="0.1"}',
)
LATE = 10.0
"""Seconds from an event to its last trace: a time-out, a scrape, an evaluation."""
DIFFER = 0.02
"""By this share edge and app may disagree on what the app answered, and by `FEW` requests."""
FEW = 5.0


@dataclass(frozen=True)
class Rises:
    """By how much each series rose in each step of a window, at the edge and in the apps."""

    window: Window
    edge: Series
    app: Series

    @classmethod
    def of(cls, window: Window) -> Self:
        """Those of a window. Raises what Prometheus raises."""
        return cls(window, window.rises(EDGE), window.rises(*APP))

    def counts(self, track: Track, adapters: Adapters, bound: float | None) -> TrackCounts:
        """Those of a track."""
        asked, limited = self._answers(track), self._answers(track, outcome="limited")
        return TrackCounts(
            asked=asked,
            requests=asked - limited,
            errors=self._answers(track, outcome="error") + self._answers(track, outcome="given_up"),
            slower_than_1500ms=self._slower(track, 1.5),
            slower_than_1200ms=self._slower(track, 1.2),
            slower_than_stable=self._slower(track, bound) if bound else 0,
            fallbacks=self._fallbacks(track, adapters),
            limited_by_edge=self._answers(track, outcome="limited", answered_by="edge"),
            limited_by_app=self._answers(track, outcome="limited", answered_by="app"),
            audit_writes=self._of_app(track, "web_next_audit_inserts_total"),
            audit_elsewhere=self._of_app(track, "web_next_audit_inserts_total")
            - self._of_app(track, "web_next_audit_inserts_total", store="postgres"),
            audit_timed=(timed := self._of_app(track, "web_next_audit_write_duration_seconds_count")),
            audit_slower_than_100ms=max(0, timed - self._of_app(track, "web_next_audit_write_duration_seconds_bucket")),
        )

    def since(self, moment: datetime) -> Self:
        """What of it came from a moment on."""
        return replace(self, window=self.window.after(moment))

    def slow_bound(self) -> float | None:
        """What 'slower than stable' is counted against."""
        return slow_bound(self._buckets("stable"))

    def disagreements(self) -> list[str]:
        """Where the app has counted another number of answers than the edge has had of it, in a clause each.

        Each side's count, without the seconds in which the other may be late, is held against the other's whole. What
        clients gave up, the app may have answered all the same.
        """
        inner, whole = replace(self, window=self.window.inner(1.5 * LATE)), self
        why = []
        for track in ("stable", "candidate"):
            name, app = "web_next_http_request_duration_seconds_count", "app"
            least, most = (
                inner._answers(track, answered_by=app),
                whole._answers(track) - whole._answers(track, outcome="limited", answered_by="edge"),
            )
            known, settled = whole._of_app(track, name), inner._of_app(track, name)
            if known < least * (1 - DIFFER) - FEW or settled * (1 - DIFFER) - FEW > most:
                why.append(f"{track}'s app says it answered {known}, the edge has {least} to {most} of it")
        return why

    def _fallbacks(self, track: Track, adapters: Adapters) -> int:
        """By the edge's word, since nobody may measure himself. It cannot tell a mock that was asked for from one that
        stands in; where a track has one, the app's own count of those is taken away, from what the edge has had long
        enough for the app to have been asked."""
        marked = {"outcome": "other", "mock": "true"}
        if "mock" not in adapters.values():
            return self._answers(track, **marked)
        settled = replace(self, window=self.window.inner(1.5 * LATE))._answers(track, **marked)
        return max(0, settled - self._of_app(track, "web_next_fallbacks_total", dependency="mock"))

    def _answers(self, track: Track, **labels: str) -> int:
        return self._sum(self.edge, {"__name__": "web_next_edge_answers_total", "track": track, **labels})

    def _of_app(self, track: Track, name: str, **labels: str) -> int:
        return self._sum(self.app, {"__name__": name, "track": track, **labels})

    def _sum(self, rises: Series, labels: Mapping[str, str]) -> int:
        return round(sum(self.window.total(rise) for own, rise in rises if labels.items() <= own.items()))

    def _buckets(self, track: Track) -> dict[float, float]:
        """How many requests took at most so many seconds, by the histogram's bounds."""
        own = {"__name__": "web_next_edge_request_seconds_bucket", "track": track}
        found: dict[float, float] = {}
        for labels, rise in self.edge:
            if own.items() <= labels.items():
                bound = float(labels["le"])
                found[bound] = found.get(bound, 0.0) + self.window.total(rise)
        return found

    def _slower(self, track: Track, seconds: float) -> int:
        buckets = self._buckets(track)
        return max(0, round(buckets.get(float("inf"), 0.0) - buckets.get(seconds, 0.0)))
