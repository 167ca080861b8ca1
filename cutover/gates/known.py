"""Whether the gates' metrics are there: one that nobody has fails its gate before a rollout starts, not within it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cutover.errors import CutoverError
from cutover.gates.gate import Gate
from cutover.prometheus import Prometheus
from outputs.release import Adapter, Track

TRACKS: tuple[Track, ...] = ("stable", "candidate")


class Metric(NamedTuple):
    """A metric and the labels that it is asked by. `adapter` is the one without which a track has it not."""

    name: str
    labels: str
    adapter: str | None = None

    def selector(self, track: Track) -> str:
        """The series of a track."""
        return f"{self.name}{{{self.labels.replace('TRACK', track)}}}"


def _answers(labels: str) -> Metric:
    return Metric("web_next_edge_answers_total", f'job="edge",track="TRACK",traffic="user",{labels}')


def _seconds(bound: str) -> Metric:
    return Metric("web_next_edge_request_seconds_bucket", f'job="edge",track!="",traffic!="",le="{bound}"')


def _audit(name: str, labels: str = "") -> Metric:
    return Metric(f"web_next_audit_{name}", f'job="app",track="TRACK",traffic!=""{labels}', "audit")


_ASKED = (_answers('outcome="other",answered_by="app",mock="false"'),)
_WRITES = (_audit("inserts_total", ',store!=""'),)
_PAUSES = (Metric("web_next_auto_pauses_total", 'job="app",track="TRACK"'),)
METRICS: Mapping[str, tuple[Metric, ...]] = {
    "asked": _ASKED,
    "requests": _ASKED,
    "errors": (_answers('outcome="error"'), _answers('outcome="given_up"')),
    "slower_than_1500ms": (_seconds("1.5"),),
    "slower_than_1200ms": (_seconds("1.2"),),
    "slower_than_stable": (_seconds("0.25"),),
    "fallbacks": (_answers('outcome="other",mock="true"'),),
    "limited_by_edge": (_answers('outcome="limited",answered_by="edge"'),),
    "limited_by_app": (_answers('outcome="limited",answered_by="app"'),),
    "audit_writes": _WRITES,
    "audit_elsewhere": _WRITES,
    "audit_timed": (_audit("write_duration_seconds_count"),),
    "audit_slower_than_100ms": (_audit("write_duration_seconds_bucket", ',le="0.1"'),),
    "breaches": _PAUSES,
    "breaches_not_paused": _PAUSES,
}
"""What each count is taken from, with the labels that are there before a user has come: edge's counters are at 0 then,
its histogram and the app's have what smoke has left."""


def require_known(
    prometheus: Prometheus, gates: Iterable[Gate], adapters: Mapping[Track, Mapping[str, Adapter]]
) -> None:
    """Returns when Prometheus has each metric of the gates with the labels that they ask by.

    Raises CutoverError naming the gate and the metric that is missing, UnreachableError where nothing answers.
    """
    there: dict[str, bool] = {}
    for gate, selector in _needed(gates, adapters):
        if selector not in there:
            there[selector] = bool(prometheus.query(f"count({selector})"))
        if not there[selector]:
            raise CutoverError(
                f"gate {gate.name!r} needs {selector}, which Prometheus does not have: some show once a track's smoke "
                "suite has run, cutover smoke; else hold the image against the contract, cutover contract"
            )


def _needed(gates: Iterable[Gate], adapters: Mapping[Track, Mapping[str, Adapter]]) -> Iterator[tuple[Gate, str]]:
    for gate in gates:
        for count in (gate.bad, gate.of):
            if count not in METRICS:
                raise CutoverError(f"gate {gate.name!r} counts {count!r}: known are {', '.join(METRICS)}")
            for metric in METRICS[count]:
                for track in TRACKS:
                    if metric.adapter is None or adapters[track].get(metric.adapter) != "mock":
                        yield gate, metric.selector(track)
