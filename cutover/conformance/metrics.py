"""Rules of the metrics: what gates, dashboards and alarms ask for by name."""

from __future__ import annotations

import re
from typing import NamedTuple

import httpx

from cutover.conformance.image import BrokenError, Image, SkippedError, demand

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.2, 1.5, 2.5, 5.0, 10.0)
"""Seconds; 0.1, 1.2 and 1.5 are limits of gates and must be bounds, or a gate would judge an estimate."""


class Metric(NamedTuple):
    """A metric by its type and its labels, in the order of the page."""

    kind: str
    labels: tuple[str, ...] = ()


METRICS = {
    "web_next_http_request_duration_seconds": Metric("histogram", ("route", "method", "status", "traffic")),
    "web_next_audit_inserts_total": Metric("counter", ("store", "traffic")),
    "web_next_audit_refused_total": Metric("counter"),
    "web_next_audit_write_duration_seconds": Metric("histogram", ("traffic",)),
    "web_next_queue_jobs": Metric("gauge", ("queue", "state")),
    "web_next_queue_oldest_job_age_seconds": Metric("gauge", ("queue",)),
    "web_next_fallbacks_total": Metric("counter", ("route", "dependency", "traffic")),
    "web_next_flag": Metric("gauge", ("name",)),
    "web_next_auto_pauses_total": Metric("counter"),
    "web_next_build_info": Metric("gauge", ("build_sha", "version", "environment", "role")),
}
"""Those that an image must have. The reference has more, which say how it is built (docs/contract.md)."""

USERS, EDGE = "/api/guardrails/read", "x-edge-id"
"""What is asked as a user would, and the header of an edge, which says itself whose a request is."""
_TYPE = re.compile(r"^# TYPE (\S+) (\w+)$", re.MULTILINE)
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? \S+", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Page:
    """One scrape: types by name, the labels of every sample."""

    def __init__(self, text: str) -> None:
        self.kinds = dict(_TYPE.findall(text))
        self.samples = [(name, dict(_LABEL.findall(labels))) for name, labels in _SAMPLE.findall(text)]

    def labels(self, name: str) -> list[dict[str, str]]:
        """The labels of every sample of a metric, those of a histogram's buckets included."""
        return [labels for sample, labels in self.samples if sample in (name, f"{name}_bucket")]


def scrape(image: Image) -> Page:
    """The metrics of the image. Raises SkippedError without an address, BrokenError without an answer."""
    if image.metrics_url is None:
        raise SkippedError("no address given: --metrics")
    try:
        answer = image.http.get(image.metrics_url)
    except httpx.HTTPError as error:
        raise BrokenError(f"{image.metrics_url}: no answer ({type(error).__name__})") from None
    demand(answer.status_code == 200, f"{image.metrics_url}: {answer.status_code}, 200 expected")
    return Page(answer.text)


def metric_names(image: Image) -> str:
    """Every metric that gates rely on is there, of its type."""
    page = scrape(image)
    for name, metric in METRICS.items():
        kind = page.kinds.get(name, page.kinds.get(name.removesuffix("_total")))
        demand(kind == metric.kind, f"{name} is {f'a {kind}' if kind else 'missing'}, a {metric.kind} expected")
    return f"{len(METRICS)} metrics"


def metric_labels(image: Image) -> str:
    """Their samples have the labels that queries use, no other; X-Web-Next-Traffic says whose a request is, and not the
    User-Agent."""
    as_user = image.send("GET", USERS, **{"x-web-next-traffic": "user"})
    page = scrape(image)
    for name, metric in METRICS.items():
        for labels in page.labels(name):
            seen = [label for label in labels if label != "le"]
            demand(sorted(seen) == sorted(metric.labels), f"{name} has {sorted(seen)}, {list(metric.labels)} expected")
    requests = page.labels("web_next_http_request_duration_seconds")
    marked = {labels["traffic"] for labels in requests}
    believed = "EDGE_PEERS of the image must hold this caller's address"
    demand("smoke" in marked, f"this run's requests are marked {sorted(marked)}, smoke expected: {believed}")
    ours = {labels["traffic"] for labels in requests if labels["route"] == USERS}
    demand("user" in ours or EDGE in as_user.headers, f"GET {USERS} as a user is marked {sorted(ours)}, user expected")
    routes = sorted({labels["route"] for labels in requests})
    demand("/api/audit/push" in routes, f"route /api/audit/push is missing among {routes}")
    return f"{len(routes)} routes"


def metric_bounds(image: Image) -> str:
    """The histograms' buckets have the bounds that gates compare with."""
    page = scrape(image)
    for name, metric in METRICS.items():
        bounds = {float(labels["le"]) for labels in page.labels(name) if "le" in labels}
        if metric.kind == "histogram" and bounds:
            missing = [bound for bound in BOUNDS if bound not in bounds]
            demand(not missing, f"{name} has no bound {', '.join(map(str, missing))}")
    demand(bool(page.labels("web_next_http_request_duration_seconds")), "no request was measured")
    return f"{len(BOUNDS)} bounds"
