"""What is measured of the tracks on AWS: by the load balancer itself, and, what it cannot know, by nginx's log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from infra.alarm import declare
from infra.naming import Names
from infra.runtime.fargate.alarms import away_alarm, balancer_alarm, fallback_alarms, track_alarms
from infra.runtime.fargate.balancer import Balancer
from outputs.log_figures import AUDIT_SECONDS, LEFT_SECONDS, LogFigure
from outputs.release import Track
from outputs.slots import TrackLogs


def _begins(key: str, *texts: str) -> str:
    """The pattern of a text that begins with one of these. The app's times are texts: they may be empty."""
    return " || ".join(f'$.{key} = "{text}*"' for text in texts)


_BEFORE_LEFT = _begins("upstreamTime", *(f"0.{tenth}" for tenth in range(round(10 * LEFT_SECONDS))))
_AUDIT_SLOW = _begins("headTime", *(f"0.{tenth}" for tenth in range(round(10 * AUDIT_SECONDS), 10)), *"123456789")
_USER = '$.traffic = "user"'
_ANSWERED = f"{_USER} && $.mock IS TRUE && $.status < 500"
_KEPT = f'{_USER} && $.status = 200 && ($.path = "/api/audit/push" || $.path = "/api/signals")'
BY_EDGE: Mapping[LogFigure, str] = {
    LogFigure.REQUESTS: _USER,
    LogFigure.OTHERS: '$.traffic = "smoke" || $.traffic = "refused"',
    LogFigure.LIMITED: f"{_USER} && $.status = 429",
    LogFigure.LIMITED_BY_APP: f'{_USER} && $.status = 429 && $.answeredBy = "app"',
    LogFigure.LEFT: '($.traffic = "user" || $.traffic = "smoke") && (($.status = 400 && $.whole IS FALSE) || '
    f"($.status = 499 && ($.requestTime < {LEFT_SECONDS} || {_BEFORE_LEFT})))",
    LogFigure.MOCK: f"{_USER} && $.mock IS TRUE",
    LogFigure.MOCK_AUDIT: f"{_ANSWERED} && "
    '($.path = "/api/audit/*" || $.path = "/api/signals" || $.path = "/api/snapshot/*")',
    LogFigure.MOCK_EVIDENCE: f'{_ANSWERED} && $.path = "/api/evidence/*"',
    LogFigure.MOCK_QUEUE: f'{_ANSWERED} && $.path = "/api/alerts/*"',
    LogFigure.MOCK_GUARDRAILS: f'{_ANSWERED} && $.path = "/api/guardrails/*"',
    LogFigure.AUDIT_WRITES: _KEPT,
    LogFigure.AUDIT_ELSEWHERE: f"{_KEPT} && $.mock IS TRUE",
    LogFigure.AUDIT_SLOW: f"{_KEPT} && $.mock IS FALSE && ({_AUDIT_SLOW})",
}
BY_APP: Mapping[LogFigure, str] = {
    LogFigure.AWAY_POSTGRES: '$.away = "postgres"',
    LogFigure.AWAY_REDIS: '$.away = "redis"',
    LogFigure.AWAY_EXECUTOR: '$.away = "executor"',
    LogFigure.AWAY_S3: '$.away = "s3"',
    LogFigure.AWAY_SETTINGS: '$.away = "ssm" || $.away = "vault"',
    LogFigure.AUTO_PAUSES: "$.autoPauses = 1",
}
COUNTED: Mapping[Literal["edge", "app"], Mapping[LogFigure, str]] = {"edge": BY_EDGE, "app": BY_APP}
"""What the logs of a track are asked for, by the container that alone writes into one. A metric with dimensions could
not be 0: it would be absent."""


@dataclass(frozen=True, kw_only=True)
class TrackMetricsArgs:
    """`logs` are those of each track; the alarms are on `groups`, target groups' ARN suffixes by track, behind
    `balancer`, its ARN suffix, and on the fallbacks of stable's `real` adapters; they tell `topic`."""

    prefix: str
    namespace: str
    logs: Mapping[Track, TrackLogs]
    groups: Mapping[str, pulumi.Input[str]]
    balancer: pulumi.Input[str]
    real: Collection[str]
    topic: pulumi.Input[str]

    @classmethod
    def of(
        cls,
        names: Names,
        logs: Mapping[Track, TrackLogs],
        balancer: Balancer,
        real: Collection[str],
        topic: pulumi.Input[str],
    ) -> TrackMetricsArgs:
        return cls(
            prefix=names.prefix,
            namespace=names.metrics,
            logs=logs,
            groups={track: group.arn_suffix for track, group in balancer.groups.items()},
            balancer=balancer.balancer.arn_suffix,
            real=real,
            topic=topic,
        )

    def dimensions(self, track: str) -> dict[str, pulumi.Input[str]]:
        """Those of a track's metrics of the balancer."""
        return {"TargetGroup": self.groups[track], "LoadBalancer": self.balancer}


class TrackMetrics(pulumi.ComponentResource):
    """Metric filters on each track's logs, smoke and health traffic left out, and alarms on the fallbacks among them;
    alarms on each target group's 5xx and P95, and on what the balancer answers itself: these it counts exactly, smoke
    included."""

    alarms: dict[str, str]
    """The names of the alarms on 5xx by track: they end a deployment of that track."""

    def __init__(self, name: str, args: TrackMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:TrackMetrics", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.alarms = {track: f"{args.prefix}-{track}-errors" for track in args.logs}
        for track, logs in args.logs.items():
            for kind, figures in COUNTED.items():
                for figure, pattern in figures.items():
                    aws.cloudwatch.LogMetricFilter(
                        f"{name}-{track}-{figure}",
                        name=f"{args.prefix}-{track}-{figure}",
                        log_group_name=getattr(logs, kind),
                        pattern=f"{{ {pattern} }}",
                        metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
                            name=figure.of(track), namespace=args.namespace, value="1", default_value="0", unit="Count"
                        ),
                        opts=child,
                    )
            for alarm in (*track_alarms(track, args.dimensions(track)), away_alarm(track, args.namespace)):
                declare(name, args.prefix, args.topic, alarm, child)
        for alarm in fallback_alarms("stable", args.namespace, args.real):
            declare(name, args.prefix, args.topic, alarm, child)
        declare(name, args.prefix, args.topic, balancer_alarm(args.balancer), child)
        self.register_outputs({})
