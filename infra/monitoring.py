"""What ends a trading day if nobody looks, and who is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import pulumi
import pulumi_aws as aws

from infra.audit import Audit
from infra.naming import Names
from infra.queues import Queues
from infra.settings.instance_classes import max_connections
from infra.settings.keys import Settings

GIB = 1024**3
MINUTES = 60
"""Seconds."""
RUNWAY_PHRASE = "audit_partition_runway ok"
"""What the upkeep of the audit log's partitions writes to the server's log whenever it finds enough of them."""
RUNWAY_METRIC = "AuditPartitionRunwayOk"


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One CloudWatch alarm: it fires when the `statistic` of a metric over `period` seconds is `beyond` the
    threshold in `periods` periods on end. `missing` is what a period without data counts as."""

    name: str
    says: str
    namespace: str
    metric: str
    dimensions: dict[str, str]
    statistic: Literal["Average", "Minimum", "Maximum", "Sum"]
    beyond: Literal["GreaterThanOrEqualToThreshold", "LessThanThreshold"]
    threshold: float
    period: int = 5 * MINUTES
    periods: int = 3
    missing: Literal["missing", "breaching", "notBreaching"] = "missing"


def database_alarms(instance: str, *, storage: int, instance_class: str) -> Iterator[Alarm]:
    """The alarms of an RDS instance; `storage` is in GiB."""
    alarm = partial(Alarm, namespace="AWS/RDS", dimensions={"DBInstanceIdentifier": instance})
    yield alarm(
        name="database-storage",
        says="less than a fifth of the audit database's storage is free: without any it stops taking entries",
        metric="FreeStorageSpace",
        statistic="Minimum",
        beyond="LessThanThreshold",
        threshold=storage * GIB / 5,
    )
    yield alarm(
        name="database-connections",
        says="four fifths of the audit database's connections are taken: soon the app gets none",
        metric="DatabaseConnections",
        statistic="Maximum",
        beyond="GreaterThanOrEqualToThreshold",
        threshold=max_connections(instance_class) * 4 / 5,
    )
    yield alarm(
        name="database-cpu",
        says="the audit database's processors are at 80 % for a quarter of an hour",
        metric="CPUUtilization",
        statistic="Average",
        beyond="GreaterThanOrEqualToThreshold",
        threshold=80,
    )


def queue_alarms(nodes: Sequence[str]) -> Iterator[Alarm]:
    """The alarms of each node of the queues."""
    for node in nodes:
        alarm = partial(Alarm, namespace="AWS/ElastiCache", dimensions={"CacheClusterId": node})
        number = node.rsplit("-", 1)[-1]
        yield alarm(
            name=f"queues-{number}-evictions",
            says="Redis evicts: queued alerts are being lost; maxmemory-policy must be noeviction",
            metric="Evictions",
            statistic="Sum",
            beyond="GreaterThanOrEqualToThreshold",
            threshold=1,
            periods=1,
        )
        yield alarm(
            name=f"queues-{number}-memory",
            says="three quarters of Redis' memory are taken: when it is full, alerts are refused",
            metric="DatabaseMemoryUsagePercentage",
            statistic="Maximum",
            beyond="GreaterThanOrEqualToThreshold",
            threshold=75,
        )
        yield alarm(
            name=f"queues-{number}-cpu",
            says="Redis' one thread is at 80 % for a quarter of an hour",
            metric="EngineCPUUtilization",
            statistic="Average",
            beyond="GreaterThanOrEqualToThreshold",
            threshold=80,
        )


def runway_alarm(namespace: str) -> Alarm:
    """The alarm of the partitions' upkeep, which runs hourly: silence for half a day is a shortfall too."""
    return Alarm(
        name="audit-partition-runway",
        says="for 12 hours no upkeep has found three months of audit partitions ahead: see cutover migrate status",
        namespace=namespace,
        metric=RUNWAY_METRIC,
        dimensions={},
        statistic="Sum",
        beyond="LessThanThreshold",
        threshold=1,
        period=6 * 60 * MINUTES,
        periods=2,
        missing="breaching",
    )


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    """`targets` are e-mail addresses and https URLs; `log_group` is where the database's log goes."""

    name: str
    account: str
    topic_arn: str
    metrics: str
    targets: Sequence[str]
    alarms: Sequence[Alarm]
    log_group: pulumi.Input[str]

    @classmethod
    def of(cls, settings: Settings, names: Names, audit: Audit, queues: Queues) -> MonitoringArgs:
        return cls(
            name=names.prefix,
            account=settings.account,
            topic_arn=names.alarms_topic_arn,
            metrics=names.metrics,
            targets=settings.alarm_targets,
            alarms=[
                *database_alarms(
                    f"{names.prefix}-audit",
                    storage=settings.database.storage,
                    instance_class=settings.database.instance_class,
                ),
                *queue_alarms(queues.nodes),
                runway_alarm(names.metrics),
            ],
            log_group=audit.log_group.name,
        )


class Monitoring(pulumi.ComponentResource):
    """A topic, its subscribers, and the alarms that publish to it, when they fire and when they recover."""

    topic: aws.sns.Topic

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:operations:Monitoring", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # Not encrypted: CloudWatch cannot publish to a topic under AWS's own key, and an alarm's text is no secret.
        self.topic = aws.sns.Topic(name, name=f"{args.name}-alarms", opts=child)
        aws.sns.TopicPolicy(
            name,
            arn=self.topic.arn,
            policy=publishers_policy(args.topic_arn, args.account),
            opts=child,
        )
        for target in args.targets:
            aws.sns.TopicSubscription(
                f"{name}-{target}",
                topic=self.topic.arn,
                protocol="https" if target.startswith("https://") else "email",
                endpoint=target,
                opts=child,
            )
        aws.cloudwatch.LogMetricFilter(
            f"{name}-audit-partition-runway",
            name=f"{args.name}-audit-partition-runway",
            log_group_name=args.log_group,
            pattern=f'"{RUNWAY_PHRASE}"',
            metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
                name=RUNWAY_METRIC, namespace=args.metrics, value="1", unit="Count"
            ),
            opts=child,
        )
        for alarm in args.alarms:
            aws.cloudwatch.MetricAlarm(
                f"{name}-{alarm.name}",
                name=f"{args.name}-{alarm.name}",
                alarm_description=alarm.says,
                namespace=alarm.namespace,
                metric_name=alarm.metric,
                dimensions=alarm.dimensions or None,
                statistic=alarm.statistic,
                comparison_operator=alarm.beyond,
                threshold=alarm.threshold,
                period=alarm.period,
                evaluation_periods=alarm.periods,
                treat_missing_data=alarm.missing,
                alarm_actions=[self.topic.arn],
                ok_actions=[self.topic.arn],
                opts=child,
            )
        self.register_outputs({"topic": self.topic.arn})


def publishers_policy(topic_arn: str, account: str) -> str:
    """The topic's policy: CloudWatch's alarms of this account publish, nobody else."""
    statement = {
        "Sid": "AlarmsPublish",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic_arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
