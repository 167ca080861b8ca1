"""Counting: what Prometheus knows of both tracks since a moment, as Counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cutover.errors import CutoverError
from cutover.gates.counts import SHARED, Counts, Stretch, TrackCounts
from cutover.gates.evidence import RESTARTS_EACH
from cutover.gates.window import LEAST_STEP, MOST_STEPS, Window, moments
from cutover.prometheus import Prometheus, Steps
from outputs.release import Adapter, Track

Adapters = Mapping[str, Adapter]
EDGE = '{job="edge",traffic="user",__name__=~"web_next_edge_answers_total|web_next_edge_request_seconds_bucket"}'
APP = (
    '{job="app",traffic="user",__name__=~"web_next_audit_inserts_total|web_next_audit_write_duration_seconds_count|'
    'web_next_fallbacks_total|web_next_http_request_duration_seconds_count"}',
    '{job="app",traffic="user",__name__="web_next_audit_write_duration_seconds_bucket",le="0.1"}',
)
INSERTS = '60 * sum(rate(web_next_audit_inserts_total{job="app",traffic="user"}[5m]))'
NOT_WHOLE = 'ALERTS{alertname=~"EdgeLogLost|EdgeLogUnchecked|EdgeReaderRestarted",alertstate="firing"}'
FLOOR = 0.25
"""Seconds: who is below it is slow against nobody."""
WORSE = 1.2
"""So much slower than stable's P95 a candidate may be (playbook row 8, 'metrics stable')."""
OLD = 10.0
"""Seconds after which the edge's log has not been looked at: each look is a second after the one before."""
LATE = 10.0
"""Seconds from an event to its last trace: a time-out, a scrape, an evaluation."""
AWAY = 20
"""Seconds without a break after which what is away is more than a restart."""
DIFFER = 0.02
"""By this share edge and app may disagree on what the app answered, and by `FEW` requests."""
FEW = 5.0
PAUSE = timedelta(seconds=60)
"""Within it a breach is followed by an audited pause (playbook, decision 15)."""


def count(
    prometheus: Prometheus,
    since: datetime,
    until: datetime,
    *,
    adapters: Mapping[Track, Adapters],
    breach: datetime | None = None,
) -> Counts:
    """What was counted since a moment; where Prometheus does not say, nothing, and why in `blind`."""
    try:
        return _count(prometheus, since, until, adapters, breach)
    except CutoverError as error:
        nothing = TrackCounts()
        return Counts(since=since, until=until, observed=0, stable=nothing, candidate=nothing, blind=[str(error)])


def _count(
    prometheus: Prometheus,
    since: datetime,
    until: datetime,
    adapters: Mapping[Track, Adapters],
    breach: datetime | None,
) -> Counts:
    steps = Steps.between(since, until, least=LEAST_STEP, most=MOST_STEPS)
    whole = _that_counts(Window.of(prometheus, steps), adapters)
    traffic = _Traffic(whole, whole.rises(EDGE), whole.rises(*APP))
    bound = traffic.slow_bound()
    tracks = {track: traffic.counts(track, adapters[track], bound) for track in ("stable", "candidate")}
    found = prometheus.query(INSERTS, at=until)
    return Counts(
        since=since,
        until=until,
        observed=max(0.0, min(whole.observed, (until - since).total_seconds())),
        stable=tracks["stable"],
        candidate=replace(tracks["candidate"], **_breaches(prometheus, since, until, breach)),
        stretches=[
            Stretch(
                since=moment,
                stable=(late := traffic.since(moment)).counts("stable", adapters["stable"], bound),
                candidate=late.counts("candidate", adapters["candidate"], bound),
            )
            for moment in _points(since, until)
        ],
        slow_bound=bound,
        audit_per_minute=round(float(found[0]["value"][1]), 1) if found else 0.0,
        blind=[*_blind(prometheus, until), *traffic.disagreements()],
        away=_away(prometheus, until, adapters),
    )


def _points(since: datetime, until: datetime) -> list[datetime]:
    """The two newest moments from which counting begins anew: a fault that began between them is in the older one's
    count whole."""
    newest = int((until - since).total_seconds() / RESTARTS_EACH)
    return [since + timedelta(seconds=RESTARTS_EACH * each) for each in range(max(1, newest - 1), newest + 1)]


def _that_counts(window: Window, adapters: Mapping[Track, Adapters]) -> Window:
    """Without the times when the edge's log was not whole, and when something shared was away."""
    span = int(window.steps.seconds * 1000)
    alerts = window.prometheus.range(f"max_over_time({NOT_WHOLE}[{span + 2000}ms])", window.steps)
    window = window.without(moments(alerts, lambda value: value > 0), before=LATE, after=0)
    gauges = window.prometheus.range(
        f'min_over_time(web_next_dependency_up{{job="app"}}[{span + 5000}ms])', window.steps
    )
    for dependency in SHARED:
        down = {
            each.labels["track"]: set(moments([each], lambda value: value == 0))
            for each in gauges
            if each.labels.get("dependency") == dependency
        }
        window = window.without(_both(dependency, down, adapters), before=LATE, after=LATE)
    return window


def _both(dependency: str, down: Mapping[str, set[int]], adapters: Mapping[Track, Adapters]) -> set[int]:
    """The moments at which the candidate misses what it shares with stable, and stable misses it too. A mock has no
    opinion."""
    own, stables = down.get("candidate", set()), down.get("stable", set())
    if adapters["candidate"].get(SHARED[dependency]) == "mock":
        return set()
    return own if adapters["stable"].get(SHARED[dependency]) == "mock" else own & stables


def _away(prometheus: Prometheus, until: datetime, adapters: Mapping[Track, Adapters]) -> list[str]:
    """What of the shared has been away for a while, by its name."""
    found = prometheus.query(f'max_over_time(web_next_dependency_up{{job="app"}}[{AWAY}s]) == 0', at=until)
    down: dict[str, dict[str, set[int]]] = {}
    for each in found:
        down.setdefault(each["metric"].get("dependency", ""), {})[each["metric"].get("track", "")] = {0}
    return [dependency for dependency in SHARED if _both(dependency, down.get(dependency, {}), adapters)]


def _blind(prometheus: Prometheus, until: datetime) -> list[str]:
    """Why the edge's metrics cannot be relied on now."""
    looked = prometheus.query("max(web_next_edge_status_time_seconds)", at=until)
    age = until.timestamp() - float(looked[0]["value"][1]) if looked else None
    why = [f"{each['metric']['alertname']} is firing" for each in prometheus.query(NOT_WHOLE, at=until)]
    if age is None:
        why.append("the edge's log has no reader")
    elif age > OLD:
        why.append(f"the edge's log was looked at {age:.0f} s ago, by a reader that looks each second")
    return list(dict.fromkeys(why))


def _breaches(prometheus: Prometheus, since: datetime, until: datetime, breach: datetime | None) -> dict[str, int]:
    """Whether the newest breach is to be judged, and was followed by no pause in time. Scrapes are LATE at most."""
    judged = breach + PAUSE + timedelta(seconds=LATE) if breach else None
    if breach is None or judged is None or breach < since or judged > until:
        return {}
    span = int((judged - breach).total_seconds())
    paused = prometheus.query(f'sum(increase(web_next_auto_pauses_total{{job="app"}}[{span}s])) > 0', at=judged)
    return {"breaches": 1, "breaches_not_paused": 0 if paused else 1}


Rises = Sequence[tuple[Mapping[str, str], list[float]]]


@dataclass(frozen=True)
class _Traffic:
    """What rose in a window, at the edge and in the apps."""

    window: Window
    edge: Rises
    app: Rises

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

    def since(self, moment: datetime) -> _Traffic:
        """What of it came from a moment on."""
        return replace(self, window=self.window.after(moment))

    def slow_bound(self) -> float | None:
        """The least bound of the histogram that is at least 1.2 times stable's P95, and at least 250 ms."""
        buckets = self._buckets("stable")
        whole = buckets.pop(float("inf"), 0.0)
        below, lower = 0.0, 0.0
        for bound, seen in sorted(buckets.items()):
            if whole and seen >= 0.95 * whole:
                inside = (0.95 * whole - below) / (seen - below) if seen > below else 1.0
                least = max(FLOOR, WORSE * (lower + inside * (bound - lower)))
                return min((each for each in buckets if each >= least), default=None)
            below, lower = seen, bound
        return None

    def disagreements(self) -> list[str]:
        """Where the app has counted another number of answers than the edge has had of it, in a clause each.

        Each side's count, without the seconds in which the other may be late, is held against the other's whole. What
        clients gave up, the app may have answered all the same.
        """
        inner, whole = _Traffic(self.window.inner(1.5 * LATE), self.edge, self.app), self
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
        settled = _Traffic(self.window.inner(1.5 * LATE), self.edge, self.app)._answers(track, **marked)
        return max(0, settled - self._of_app(track, "web_next_fallbacks_total", dependency="mock"))

    def _answers(self, track: Track, **labels: str) -> int:
        return self._sum(self.edge, {"__name__": "web_next_edge_answers_total", "track": track, **labels})

    def _of_app(self, track: Track, name: str, **labels: str) -> int:
        return self._sum(self.app, {"__name__": name, "track": track, **labels})

    def _sum(self, rises: Rises, labels: Mapping[str, str]) -> int:
        return round(sum(self.window.total(rise) for own, rise in rises if labels.items() <= own.items()))

    def _buckets(self, track: Track) -> dict[float, float]:
        """How many requests took at most so many seconds, by the histogram's bounds."""
        found: dict[float, float] = {}
        for labels, rise in self.edge:
            if labels["__name__"] == "web_next_edge_request_seconds_bucket" and labels["track"] == track:
                bound = float(labels["le"])
                found[bound] = found.get(bound, 0.0) + self.window.total(rise)
        return found

    def _slower(self, track: Track, seconds: float) -> int:
        buckets = self._buckets(track)
        return max(0, round(buckets.get(float("inf"), 0.0) - buckets.get(seconds, 0.0)))
