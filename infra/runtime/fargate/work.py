"""What the worker and the spool are behind with: figures of the log, as metrics, and the alarms on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws

from infra.alarm import Alarm, Metric
from infra.naming import Names

OLDEST, DEAD, PENDING, SPOOLED = "oldestAlertSeconds", "deadLetters", "outboxPending", "spooledEntries"
"""Keys of lines that worker and app write at least once a minute (docs/contract.md), and names of the metrics."""
WRITTEN_BY: Mapping[str, Sequence[str]] = {
    **dict.fromkeys((OLDEST, DEAD, PENDING), ("worker", "candidate")),
    SPOOLED: ("stable", "candidate"),
}
"""Into which log groups; a candidate's app and worker share one."""
LATE_SECONDS = 300
BACKLOG = 100
"""Alerts that the worker of one task delivers in the worst case within two minutes: five at a time, each in five
seconds (docs/contract.md)."""


@dataclass(frozen=True, kw_only=True)
class WorkMetricsArgs:
    """`log_groups` are the names by part; the metrics are in `namespace`."""

    prefix: str
    namespace: str
    log_groups: Mapping[str, str]

    @classmethod
    def of(cls, names: Names, log_groups: Mapping[str, str]) -> WorkMetricsArgs:
        return cls(prefix=names.prefix, namespace=names.metrics, log_groups=log_groups)


class WorkMetrics(pulumi.ComponentResource):
    """Metric filters that take the figures out of the lines, whichever track wrote them."""

    def __init__(self, name: str, args: WorkMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:WorkMetrics", name, None, opts)
        for figure, parts in WRITTEN_BY.items():
            for part in parts:
                aws.cloudwatch.LogMetricFilter(
                    f"{name}-{part}-{figure}",
                    name=f"{args.prefix}-{part}-{figure}",
                    log_group_name=args.log_groups[part],
                    pattern=f"{{ $.{figure} >= 0 }}",
                    metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
                        name=figure, namespace=args.namespace, value=f"$.{figure}"
                    ),
                    opts=pulumi.ResourceOptions(parent=self),
                )
        self.register_outputs({})


def work_alarms(namespace: str, *, delivers: bool) -> Iterator[Alarm]:
    """Of the figures in the namespace. A worker that `delivers` writes them, so that its silence is an alarm."""
    reaches = partial(Alarm, beyond="GreaterThanOrEqualToThreshold")
    metric = partial(Metric, namespace=namespace, statistic="Maximum")
    yield reaches(
        name="alerts-late",
        says="an alert has waited for five minutes, or for five no worker could say how long the oldest waits",
        of=metric(name=OLDEST),
        threshold=LATE_SECONDS,
        periods=5,
        missing="breaching" if delivers else "notBreaching",
    )
    yield reaches(
        name="alerts-backlog",
        says=f"{BACKLOG} accepted alerts or more are neither delivered nor dead letters, for five minutes",
        of=metric(name=PENDING),
        threshold=BACKLOG,
        periods=5,
        missing="notBreaching",
    )
    yield reaches(
        name="dead-letters",
        says="alerts were given up after their last attempt: retry or purge them",
        of=metric(name=DEAD),
        threshold=1,
        periods=5,
        missing="notBreaching",
    )
    yield reaches(
        name="audit-spooled",
        says="for ten minutes audit entries have waited in S3 for Postgres: it is away, or refuses them",
        of=metric(name=SPOOLED),
        threshold=1,
        periods=10,
        missing="notBreaching",
    )
