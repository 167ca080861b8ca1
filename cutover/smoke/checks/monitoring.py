"""Monitoring: each metric that the rollout's gates read has a sample that is younger than two minutes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from cutover.cloudwatch import CloudWatch, Metric
from cutover.prometheus import Prometheus
from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.log_figures import LogFigure
from outputs.smoke import SmokeTarget

YOUNG_SECONDS = 120
"""Playbook row 9, decision 16: monitoring is live while no sample is older."""
WAIT_SECONDS = 10
"""Scrapes are 5 s apart: a stack that has just come up is measured by the second."""
CLOUDWATCH_SECONDS = 300
"""CloudWatch has a figure for whole minutes, and shows it some minutes later."""
EDGE = '{job="edge", track="TRACK"}'
APP = '{job="app", track="TRACK"}'
METRICS = {
    "web_next_edge_requests_total": EDGE,
    "web_next_edge_answers_total": EDGE,
    "web_next_edge_request_seconds_count": EDGE,
    "web_next_http_request_duration_seconds_count": APP,
    "web_next_audit_inserts_total": APP,
    "web_next_audit_write_duration_seconds_count": APP,
    "web_next_auto_pauses_total": APP,
    "web_next_queue_jobs": '{job="worker", track="TRACK"}',
}
"""What a gate or a panel reads, of the track where a track has its own. Fallbacks have no series until the first."""
OF_ADAPTER = {
    "web_next_audit_inserts_total": "audit",
    "web_next_audit_write_duration_seconds_count": "audit",
    "web_next_queue_jobs": "queue",
}
"""Those that a mock does not count: nothing is written, and nothing waits."""


def look(probe: Probe) -> str:
    """How many metrics are fresh, and the age of the oldest."""
    target = probe.target
    if target.places.namespace:
        ages = on_aws(target, target.places.namespace)
        wrong = stale(ages, CLOUDWATCH_SECONDS)
    else:
        began = probe.clock()
        with Prometheus.at(target.places.metrics_url) as prometheus:
            while (wrong := stale(ages := on_docker(target, prometheus), YOUNG_SECONDS)) and (
                probe.clock() - began < WAIT_SECONDS
            ):
                probe.sleep(1)
    if wrong:
        raise CheckFailedError(wrong)
    return f"{len(ages)} metrics, the oldest sample {max(age for age in ages.values() if age is not None):.0f} s old"


def stale(ages: Mapping[str, float | None], limit: float) -> str | None:
    """Which metrics have no sample, or an old one, in a clause."""
    absent = [name for name, age in ages.items() if age is None]
    old = [f"{name} {age:.0f} s" for name, age in ages.items() if age is not None and age > limit]
    clauses = [f"no sample of {', '.join(absent)}"] if absent else []
    clauses += [f"older than {limit:g} s: {', '.join(old)}"] if old else []
    return "; ".join(clauses) or None


def on_docker(target: SmokeTarget, prometheus: Prometheus) -> dict[str, float | None]:
    """The age in seconds of each metric's newest sample in Prometheus; None without any."""
    ages: dict[str, float | None] = {}
    for name, selector in METRICS.items():
        if target.adapters.get(OF_ADAPTER.get(name, "")) == "mock":
            continue
        series = name + selector.replace("TRACK", target.track)
        found = prometheus.query(f"min(time() - timestamp({series}))")
        ages[name] = float(found[0]["value"][1]) if found else None
    return ages


def on_aws(target: SmokeTarget, namespace: str) -> dict[str, float | None]:
    """The same of a namespace of CloudWatch."""
    until = datetime.now(UTC)
    minute = until.replace(second=0, microsecond=0)
    names = [figure.of(target.track) for figure in LogFigure]
    asked = [Metric(namespace, name, "SampleCount") for name in names]
    found = CloudWatch.of(target.places).minutes(asked, minute - timedelta(hours=1), minute)
    return {
        metric.name: (until - max(figures)).total_seconds() if figures else None for metric, figures in found.items()
    }


CHECK = Check(name="monitoring", criterion=None, did="asked how old each metric's newest sample is", look=look)
