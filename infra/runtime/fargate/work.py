"""What the worker and the spool are behind with: figures of the log, as metrics, and the alarms on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pulumi
import pulumi_aws as aws

from infra.alarm import Alarm, Metric
from infra.naming import Names
from outputs.release import Track
from outputs.slots import TrackLogs

OLDEST, DEAD, PENDING, SPOOLED = "oldestAlertSeconds", "deadLetters", "outboxPending", "spooledEntries"
"""Keys of lines that worker and app write at least once a minute (docs/contract.md), and names of the metrics."""
WRITTEN_BY: Mapping[str, Literal["app", "worker"]] = {
    **dict.fromkeys((OLDEST, DEAD, PENDING), "worker"),
    SPOOLED: "app",
}
"""By which of a track's containers."""
LATE_SECONDS = 300
BACKLOG = 100
"""Alerts that the worker of one task delivers in the worst case within two minutes: five at a time, each in five
seconds (docs/contract.md)."""


@dataclass(frozen=True, kw_only=True)
class WorkMetricsArgs:
    """`logs` are those of each track; the metrics are in `namespace`."""

    prefix: str
    namespace: str
    logs: Mapping[Track, TrackLogs]

    @classmethod
    def of(cls, names: Names, logs: Mapping[Track, TrackLogs]) -> WorkMetricsArgs:
        return cls(prefix=names.prefix, namespace=names.metrics, logs=logs)


class WorkMetrics(pulumi.ComponentResource):
    """Metric filters that take the figures out of the lines, whichever track wrote them."""

    def __init__(self, name: str, args: WorkMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:WorkMetrics", name, None, opts)
        for figure, kind in WRITTEN_BY.items():
            for track, logs in args.logs.items():
                aws.cloudwatch.LogMetricFilter(
                    f"{name}-{track}-{figure}",
                    name=f"{args.prefix}-{track}-{figure}",
                    log_group_name=getattr(logs, kind),
                    pattern=f"{{ $.{figure} >= 0 }}",
                    metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
                        name=figure, namespace=args.namespace, value=f"$.{figure}"
                    ),
                    opts=pulumi.ResourceOptions(parent=self),
                )
        self.register_outputs({})


_reaches = partial(Alarm, beyond="GreaterThanOrEqualToThreshold")


def late_alarm(name: str, namespace: pulumi.Input[str], *, delivers: bool) -> Alarm:
    """Of the oldest alert, whichever track's worker says how old it is."""
    return _reaches(
        name=name,
        says="an alert has waited for five minutes, or for five no worker could say how long the oldest waits",
        of=Metric(namespace=namespace, name=OLDEST, statistic="Maximum"),
        threshold=LATE_SECONDS,
        periods=5,
        missing="breaching" if delivers else "notBreaching",
    )


def work_alarms(namespace: str, *, delivers: bool) -> Iterator[Alarm]:
    """Of the figures in the namespace. A worker that `delivers` writes them, so that its silence is an alarm."""
    metric = partial(Metric, namespace=namespace, statistic="Maximum")
    yield late_alarm("alerts-late", namespace, delivers=delivers)
    yield _reaches(
        name="alerts-backlog",
        says=f"{BACKLOG} accepted alerts or more are neither delivered nor dead letters, for five minutes",
        of=metric(name=PENDING),
        threshold=BACKLOG,
        periods=5,
        missing="notBreaching",
    )
    yield _reaches(
        name="dead-letters",
        says="alerts were given up after their last attempt: retry or purge them",
        of=metric(name=DEAD),
        threshold=1,
        periods=5,
        missing="notBreaching",
    )
    yield _reaches(
        name="audit-spooled",
        says="for five minutes audit entries have waited in S3 for Postgres: it is away, or refuses them",
        of=metric(name=SPOOLED),
        threshold=1,
        periods=5,
        missing="notBreaching",
    )
