"""Counting: what Prometheus knows of both tracks since a moment, as Counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from cutover.errors import CutoverError
from cutover.gates.counts import SHARED, Counts, Stretch, away_for_both, points
from cutover.gates.rises import LATE, Adapters, Rises
from cutover.gates.window import LEAST_STEP, MOST_STEPS, Window, moments
from cutover.prometheus import Prometheus, Steps
from outputs.release import Track

INSERTS = '60 * sum(rate(web_next_audit_inserts_total{job="app",traffic="user"}[5m]))'
NOT_WHOLE = 'ALERTS{alertname=~"EdgeLogLost|EdgeLogUnchecked|EdgeReaderRestarted",alertstate="firing"}'
OLD = 10.0
"""Seconds after which the edge's log has not been looked at: each look is a second after the one before."""
AWAY = 20
"""Seconds without a break after which what is away is more than a restart."""
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
        return Counts.unknown(since, until, str(error))


def _count(
    prometheus: Prometheus,
    since: datetime,
    until: datetime,
    adapters: Mapping[Track, Adapters],
    breach: datetime | None,
) -> Counts:
    steps = Steps.between(since, until, least=LEAST_STEP, most=MOST_STEPS)
    whole = _that_counts(Window.of(prometheus, steps), adapters)
    rises = Rises.of(whole)
    bound = rises.slow_bound()
    tracks = {track: rises.counts(track, adapters[track], bound) for track in ("stable", "candidate")}
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
                stable=(late := rises.since(moment)).counts("stable", adapters["stable"], bound),
                candidate=late.counts("candidate", adapters["candidate"], bound),
            )
            for moment in points(since, until)
        ],
        slow_bound=bound,
        audit_per_minute=round(float(found[0]["value"][1]), 1) if found else 0.0,
        blind=[*_blind(prometheus, until), *rises.disagreements()],
        away=_away(prometheus, until, adapters),
    )


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
            each.labels.get("track", ""): set(moments([each], lambda value: value == 0))
            for each in gauges
            if each.labels.get("dependency") == dependency
        }
        window = window.without(away_for_both(dependency, down, adapters), before=LATE, after=LATE)
    return window


def _away(prometheus: Prometheus, until: datetime, adapters: Mapping[Track, Adapters]) -> list[str]:
    """What of the shared has been away for a while, by its name."""
    found = prometheus.query(f'max_over_time(web_next_dependency_up{{job="app"}}[{AWAY}s]) == 0', at=until)
    down: dict[str, dict[str, set[int]]] = {}
    for each in found:
        down.setdefault(each["metric"].get("dependency", ""), {})[each["metric"].get("track", "")] = {0}
    return [dependency for dependency in SHARED if away_for_both(dependency, down.get(dependency, {}), adapters)]


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
