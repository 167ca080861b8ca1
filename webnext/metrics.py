"""The metrics, by the names that gates, dashboards and alarms rely on (docs/contract.md), on a port of their own."""

from __future__ import annotations

import logging

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from webnext.settings import FlagValues, Settings

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.2, 1.5, 2.5, 5.0, 10.0)
"""Bounds of the histograms. 0.1, 1.2 and 1.5 are the limits of playbook row 8."""

REQUESTS = Histogram(
    "web_next_http_request_duration_seconds",
    "Requests by route (its template), method, status and traffic (user, smoke, health)",
    ("route", "method", "status", "traffic"),
    buckets=SECONDS,
)
AUDIT_INSERTS = Counter("web_next_audit_inserts_total", "Audit entries kept by store and traffic", ("store", "traffic"))
AUDIT_REFUSED = Counter("web_next_audit_refused_total", "Audit entries not accepted because nothing could keep them")
AUDIT_WRITE = Histogram(
    "web_next_audit_write_duration_seconds",
    "From an entry's arrival until Postgres has it committed, by traffic",
    ("traffic",),
    buckets=SECONDS,
)
AUDIT_SPOOLED = Gauge("web_next_audit_spool_entries", "Audit entries that wait in S3 to be replayed")
QUEUE_JOBS = Gauge("web_next_queue_jobs", "Jobs that a queue holds, by their state", ("queue", "state"))
QUEUE_OLDEST = Gauge("web_next_queue_oldest_job_age_seconds", "Age of the oldest job that waits", ("queue",))
OUTBOX_PENDING = Gauge("web_next_outbox_pending", "Accepted alerts that are not delivered and not dead letters yet")
DELIVERIES = Counter("web_next_alert_deliveries_total", "Attempts to deliver an alert by outcome", ("outcome",))
FALLBACKS = Counter(
    "web_next_fallbacks_total",
    "Answers by a fallback or a mock, each once, by route, what was away first (mock: nothing was) and traffic",
    ("route", "dependency", "traffic"),
)
DEPENDENCY_UP = Gauge("web_next_dependency_up", "1 while the last call of it succeeded, else 0", ("dependency",))
FLAG = Gauge("web_next_flag", "The flags in force; booleans as 0 and 1", ("name",))
AUTO_PAUSES = Counter("web_next_auto_pauses_total", "Breaches that were followed by an audited pause")
CLEANED = Counter("web_next_evidence_cleaned_total", "Evidence objects past retention, by what was done", ("done",))
BUILD = Gauge("web_next_build_info", "Always 1", ("build_sha", "version", "environment", "role"))


def show_flags(flags: FlagValues) -> None:
    """Set the gauge of every flag."""
    for name, value in flags:
        FLAG.labels(name).set(float(value))


def say(**figures: float) -> None:
    """Log what is also a gauge, for alarms where nobody asks for gauges."""
    logging.getLogger("webnext.metrics").info("measured", extra={"fields": figures})


def serve(settings: Settings, role: str) -> None:
    """Serve /metrics on the internal port from a thread of its own; the edge never routes there."""
    BUILD.labels(settings.build_sha, settings.version, settings.environment, role).set(1)
    start_http_server(settings.metrics_port, addr="0.0.0.0")  # noqa: S104  (inside a container)
