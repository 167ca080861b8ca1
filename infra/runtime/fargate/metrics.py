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

COUNTED = {
    "EdgeRequests": '{ $.traffic = "user" }',
    "EdgeLimited": '{ $.traffic = "user" && $.status = 429 }',
    "EdgeMock": '{ $.traffic = "user" && $.mock IS TRUE }',
}
"""What nginx's log is asked for, each the metric NAME-TRACK. One with dimensions could not be 0: it would be absent."""


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
            for metric, pattern in COUNTED.items():
                aws.cloudwatch.LogMetricFilter(
                    f"{name}-{track}-{metric}",
                    name=f"{args.prefix}-{track}-{metric}",
                    log_group_name=log_group,
                    pattern=pattern,
                    metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
                        name=f"{metric}-{track}", namespace=args.namespace, value="1", default_value="0", unit="Count"
                    ),
                    opts=child,
                )
            for alarm in track_alarms(track, args.dimensions(track)):
                declare(name, args.prefix, args.topic, alarm, child)
        declare(name, args.prefix, args.topic, balancer_alarm(args.balancer), child)
        self.register_outputs({})
