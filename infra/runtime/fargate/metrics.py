"""What is measured of the tracks on AWS: nginx's log as metrics, and the alarms on the target groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.naming import Names
from infra.runtime.fargate.balancer import Balancer

REQUESTS, SECONDS = "EdgeRequests", "EdgeRequestSeconds"
"""The metrics of each track, by the dimensions Track and, of the requests, Status."""


@dataclass(frozen=True, kw_only=True)
class TrackMetricsArgs:
    """`log_groups` are the names by track; the alarms are on `groups`, target groups' ARN suffixes by track, behind
    `balancer`, its ARN suffix, and tell `topic`."""

    prefix: str
    namespace: str
    log_groups: Mapping[str, str]
    groups: Mapping[str, pulumi.Input[str]]
    balancer: pulumi.Input[str]
    topic: pulumi.Input[str]

    @classmethod
    def of(
        cls, names: Names, log_groups: Mapping[str, str], balancer: Balancer, topic: pulumi.Input[str]
    ) -> TrackMetricsArgs:
        return cls(
            prefix=names.prefix,
            namespace=names.metrics,
            log_groups=log_groups,
            groups={track: group.arn_suffix for track, group in balancer.groups.items()},
            balancer=balancer.balancer.arn_suffix,
            topic=topic,
        )


class TrackMetrics(pulumi.ComponentResource):
    """Metric filters on each track's log, smoke and health traffic left out, and an alarm on each track's 5xx."""

    alarms: dict[str, str]
    """The alarms' names by track: they end a deployment of that track."""

    def __init__(self, name: str, args: TrackMetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:TrackMetrics", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.alarms = {}
        for track, log_group in args.log_groups.items():
            measured = {
                REQUESTS: ("1", "Count", {"Track": "$.track", "Status": "$.status"}),
                SECONDS: ("$.requestTime", "Seconds", {"Track": "$.track"}),
            }
            for metric, (value, unit, dimensions) in measured.items():
                aws.cloudwatch.LogMetricFilter(
                    f"{name}-{track}-{metric}",
                    name=f"{args.prefix}-{track}-{metric}",
                    log_group_name=log_group,
                    pattern='{ $.traffic = "user" }',
                    metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
                        name=metric, namespace=args.namespace, value=value, unit=unit, dimensions=dimensions
                    ),
                    opts=child,
                )
            self.alarms[track] = f"{args.prefix}-{track}-errors"
            aws.cloudwatch.MetricAlarm(
                f"{name}-{track}-errors",
                name=self.alarms[track],
                alarm_description=f"{track} answers with 5xx, more than 10 in a minute, for three minutes",
                namespace="AWS/ApplicationELB",
                metric_name="HTTPCode_Target_5XX_Count",
                dimensions={"TargetGroup": args.groups[track], "LoadBalancer": args.balancer},
                statistic="Sum",
                comparison_operator="GreaterThanThreshold",
                threshold=10,
                period=60,
                evaluation_periods=3,
                treat_missing_data="notBreaching",
                alarm_actions=[args.topic],
                ok_actions=[args.topic],
                opts=child,
            )
        self.register_outputs({})
