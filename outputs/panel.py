"""A panel of the dashboards: what it asks of Prometheus, and what it reckons of CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Unit = Literal["count", "per second", "share", "seconds", "percent"]


@dataclass(frozen=True)
class Query:
    """A question to Prometheus; `legend` names each series of the answer by its labels in {{…}}."""

    expression: str
    legend: str


Of = Literal["stack", "stable", "candidate", "worker"]
"""Whose a metric of CloudWatch is: the stack's own namespace, a track's target group, or the worker's service."""
Statistic = Literal["Average", "Maximum", "Sum", "p95"]


@dataclass(frozen=True)
class Source:
    """One statistic of a metric of CloudWatch."""

    of: Of
    name: str
    statistic: Statistic = "Sum"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line on CloudWatch: an expression of its metric math, in which {name} stands for a source."""

    legend: str
    expression: str = "{it}"
    over: Mapping[str, Source]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture over time. From `warn` on it is worth a look, at `limit` a gate or an alert speaks. It is shown by
    Grafana where it has queries, and on CloudWatch where it has lines."""

    group: str
    title: str
    unit: Unit
    queries: Sequence[Query] = ()
    on_aws: Sequence[Line] = field(default=())
    warn: float | None = None
    limit: float | None = None
