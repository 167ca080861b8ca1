"""What is measured of the tracks on AWS: by the load balancer itself, and, what it cannot know, by nginx's log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.alarm import declare
from infra.naming import Names
from infra.runtime.fargate.alarms import balancer_alarm, track_alarms
from infra.runtime.fargate.balancer import Balancer
from outputs.log_figures import AUDIT_SECONDS, LEFT_SECONDS, LogFigure
from outputs.release import Track

_USER = '$.traffic = "user"'
_ANSWERED = f"{_USER} && $.mock IS TRUE && $.status < 500"
_KEPT = f'{_USER} && $.status = 200 && ($.path = "/api/audit/push" || $.path = "/api/signals")'
COUNTED: Mapping[LogFigure, str] = {
    LogFigure.REQUESTS: _USER,
    LogFigure.OTHERS: '$.traffic = "smoke" || $.traffic = "refused"',
    LogFigure.LIMITED: f"{_USER} && $.status = 429",
    LogFigure.LIMITED_BY_APP: f'{_USER} && $.status = 429 && $.answeredBy = "app"',
    LogFigure.LEFT: f'($.traffic = "user" || $.traffic = "smoke") && $.status = 499 && $.requestTime < {LEFT_SECONDS}',
    LogFigure.MOCK: f"{_USER} && $.mock IS TRUE",
    LogFigure.MOCK_AUDIT: f"{_ANSWERED} && "
    '($.path = "/api/audit/*" || $.path = "/api/signals" || $.path = "/api/snapshot/*")',
    LogFigure.MOCK_EVIDENCE: f'{_ANSWERED} && $.path = "/api/evidence/*"',
    LogFigure.MOCK_QUEUE: f'{_ANSWERED} && $.path = "/api/alerts/*"',
    LogFigure.MOCK_GUARDRAILS: f'{_ANSWERED} && $.path = "/api/guardrails/*"',
    LogFigure.AUDIT_WRITES: _KEPT,
    LogFigure.AUDIT_ELSEWHERE: f"{_KEPT} && $.mock IS TRUE",
    LogFigure.AUDIT_SLOW: f"{_KEPT} && $.mock IS FALSE && $.requestTime > {AUDIT_SECONDS}",
    LogFigure.AWAY_POSTGRES: '$.away = "postgres"',
    LogFigure.AWAY_REDIS: '$.away = "redis"',
    LogFigure.AWAY_EXECUTOR: '$.away = "executor"',
    LogFigure.AWAY_S3: '$.away = "s3"',
    LogFigure.AUTO_PAUSES: "$.autoPauses = 1",
}
"""What a track's log is asked for. A metric with dimensions could not be 0: it would be absent."""


@dataclass(frozen=True, kw_only=True)
class TrackMetricsArgs:
    """`log_groups` are the names by track; the alarms are on `groups`, target groups' ARN suffixes by track, behind
    `balancer`, its ARN suffix, and tell `topic`."""

    prefix: str
    namespace: str
    log_groups: Mapping[Track, str]
    groups: Mapping[str, pulumi.Input[str]]
    balancer: pulumi.Input[str]
    topic: pulumi.Input[str]

    @classmethod
    def of(
        cls, names: Names, log_groups: Mapping[Track, str], balancer: Balancer, topic: pulumi.Input[str]
    ) -> TrackMetricsArgs:
        return cls(
            prefix=names.prefix,
            namespace=names.metrics,
            log_groups=log_groups,
            groups={track: group.arn_suffix for track, group in balancer.groups.items()},
            balancer=balancer.balancer.arn_suffix,
            topic=topic,
        )

    def dimensions(self, track: str) -> dict[str, pulumi.Input[str]]:
        """Those of a track's metrics of the balancer."""
        return {"TargetGroup": self.groups[track], "LoadBalancer": self.balancer}


class TrackMetrics(pulumi.ComponentResource):
    """Metric filters on each track's log, smoke and health traffic left out; alarms on each target group's 5xx and
    P95, and on what the balancer answers itself: these it counts exactly, smoke included."""

    alarms: dict[str, str]
    """The names of the alarms on 5xx by track: they end a deployment of that track."""

    def __init__(self, name: str, args: TrackMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:TrackMetrics", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.alarms = {track: f"{args.prefix}-{track}-errors" for track in args.log_groups}
        for track, log_group in args.log_groups.items():
            for figure, pattern in COUNTED.items():
                aws.cloudwatch.LogMetricFilter(
                    f"{name}-{track}-{figure}",
                    name=f"{args.prefix}-{track}-{figure}",
                    log_group_name=log_group,
                    pattern=f"{{ {pattern} }}",
                    metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
                        name=figure.of(track), namespace=args.namespace, value="1", default_value="0", unit="Count"
                    ),
                    opts=child,
                )
            for alarm in track_alarms(track, args.dimensions(track)):
                declare(name, args.prefix, args.topic, alarm, child)
        declare(name, args.prefix, args.topic, balancer_alarm(args.balancer), child)
        self.register_outputs({})
