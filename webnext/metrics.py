"""The metrics, by the names that gates, dashboards and alarms rely on (docs/contract.md), on a port of their own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from socket import SHUT_RDWR
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

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
AUDIT_SPOOLED = Gauge("web_next_audit_spool_entries", "Audit entries in S3, to be replayed or set aside")
QUEUE_JOBS = Gauge("web_next_queue_jobs", "Jobs that a queue holds, by their state", ("queue", "state"))
QUEUE_OLDEST = Gauge(
    "web_next_queue_oldest_job_age_seconds", "Age of the oldest job that waits, or of its row", ("queue",)
)
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

ASKERS = 8
"""Of the metrics, at once."""


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
    address = "0.0.0.0"  # noqa: S104  (inside a container)
    server = make_server(address, settings.metrics_port, make_wsgi_app(), Server, Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


class Handler(WSGIRequestHandler):
    """Waits so many seconds for each part of a request, and for its answer to be taken; the log has no line of it."""

    timeout = 2

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingWSGIServer):
    """A thread for each of the newest ASKERS connections: the oldest goes for a newer one. So nobody who is slow takes
    the memory of the process, or keeps a scrape, which is done at once, from its answer."""

    def server_activate(self) -> None:
        """Listen, with nobody there yet."""
        self._free, self._open = threading.Semaphore(ASKERS), deque[Any]()
        super().server_activate()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Make room, and answer in a thread."""
        if not self._free.acquire(blocking=False):
            with suppress(OSError, IndexError):  # it has just ended by itself
                self._open[0].shutdown(SHUT_RDWR)
            self._free.acquire()
        self._open.append(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Give the room back."""
        super().shutdown_request(request)
        self._open.remove(request)
        self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who goes away or is too slow."""
