"""What ends a trading day if nobody looks, and who is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws

from infra.alarm import Alarm, Metric, declare
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
_slowly = partial(Alarm, period=5 * MINUTES, periods=3, missing="missing")
"""An alarm on what becomes worse for a quarter of an hour. Without data there is no service, which has its own."""


def database_alarms(instance: str, *, storage: int, instance_class: str) -> Iterator[Alarm]:
    """The alarms of an RDS instance; `storage` is in GiB."""
    metric = partial(Metric, namespace="AWS/RDS", dimensions={"DBInstanceIdentifier": instance})
    yield _slowly(
        name="database-storage",
        says="less than a fifth of the audit database's storage is free: without any it stops taking entries",
        of=metric(name="FreeStorageSpace", statistic="Minimum"),
        beyond="LessThanThreshold",
        threshold=storage * GIB / 5,
    )
    yield _slowly(
        name="database-connections",
        says="four fifths of the audit database's connections are taken: soon the app gets none",
        of=metric(name="DatabaseConnections", statistic="Maximum"),
        beyond="GreaterThanOrEqualToThreshold",
        threshold=max_connections(instance_class) * 4 / 5,
    )
    yield _slowly(
        name="database-cpu",
        says="the audit database's processors are at 80 % for a quarter of an hour",
        of=metric(name="CPUUtilization", statistic="Average"),
        beyond="GreaterThanOrEqualToThreshold",
        threshold=80,
    )


def queue_alarms(nodes: Sequence[str]) -> Iterator[Alarm]:
    """The alarms of each node of the queues."""
    for node in nodes:
        metric = partial(Metric, namespace="AWS/ElastiCache", dimensions={"CacheClusterId": node})
        number = node.rsplit("-", 1)[-1]
        yield _slowly(
            name=f"queues-{number}-evictions",
            says="Redis evicts: queued alerts are being lost; maxmemory-policy must be noeviction",
            of=metric(name="Evictions", statistic="Sum"),
            beyond="GreaterThanOrEqualToThreshold",
            threshold=1,
            periods=1,
        )
        yield _slowly(
            name=f"queues-{number}-memory",
            says="three quarters of Redis' memory are taken: when it is full, alerts are refused",
            of=metric(name="DatabaseMemoryUsagePercentage", statistic="Maximum"),
            beyond="GreaterThanOrEqualToThreshold",
            threshold=75,
        )
        yield _slowly(
            name=f"queues-{number}-cpu",
            says="Redis' one thread is at 80 % for a quarter of an hour",
            of=metric(name="EngineCPUUtilization", statistic="Average"),
            beyond="GreaterThanOrEqualToThreshold",
            threshold=80,
        )


def runway_alarm(namespace: str) -> Alarm:
    """The alarm of the partitions' upkeep, which runs hourly: silence for half a day is a shortfall too."""
    return Alarm(
        name="audit-partition-runway",
        says="for 12 hours no upkeep has found three months of audit partitions ahead: see cutover migrate status",
        of=Metric(namespace=namespace, name=RUNWAY_METRIC, statistic="Sum"),
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
            declare(name, args.name, self.topic.arn, alarm, child)
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
