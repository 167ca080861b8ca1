"""Who hears of it: every way of being down has an alarm, and every alarm somebody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from policy import documents
from policy.resources import Resource, Stack
from policy.rule import rule

ALARM, COMPOSITE, TOPIC, TOPIC_POLICY = (
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:cloudwatch/compositeAlarm:CompositeAlarm",
    "aws:sns/topic:Topic",
    "aws:sns/topicPolicy:TopicPolicy",
)
SUBSCRIPTION, LOG_GROUP = "aws:sns/topicSubscription:TopicSubscription", "aws:cloudwatch/logGroup:LogGroup"
DATABASE, QUEUES = "aws:rds/instance:Instance", "aws:elasticache/replicationGroup:ReplicationGroup"
BALANCER, TARGETS, LISTENER = (
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:lb/targetGroup:TargetGroup",
    "aws:lb/listener:Listener",
)
SERVICE, REFERENCE = "aws:ecs/service:Service", "pulumi:pulumi:StackReference"
WAYS_DOWN: Mapping[str, Mapping[str, float]] = {
    DATABASE: {"FreeStorageSpace": 2.0**50, "DatabaseConnections": 5_000, "CPUUtilization": 99},
    QUEUES: {"Evictions": 1_000, "DatabaseMemoryUsagePercentage": 99, "EngineCPUUtilization": 99},
    BALANCER: {"HTTPCode_ELB_5XX_Count": 100},
    TARGETS: {"HTTPCode_Target_5XX_Count": 100, "TargetResponseTime": 15},
}
"""The metrics by which each is seen to be down, or about to be; and the highest limit that any of them still reaches.
An answer takes 15 s at most."""
OF_A_LOG = 10_000
"""The same of what is counted from our own logs."""
FALLING: Mapping[str, float] = {
    "FreeStorageSpace": 2.0**30,
    "HealthyHostCount": 1,
    "RunningTaskCount": 1,
    "AuditPartitionRunwayOk": 1,
    "RolloutTicks": 1,
}
"""Of these too little is what is wrong, of all others too much; and the lowest limit that still tells in time."""
LONGEST = 3_600
"""Seconds after which an alarm that has not rung is none."""
HOURLY: Mapping[str, int] = {"AuditPartitionRunwayOk": 12 * LONGEST}
"""The same of what is told by the hour."""
FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
OF_OUR_LOGS = (
    "AuditPartitionRunwayOk",
    "AwayExecutor",
    "AwayPostgres",
    "AwayRedis",
    "AwayS3",
    "AwaySettings",
    "RolloutHeld",
    "RolloutTicks",
    "deadLetters",
    "oldestAlertSeconds",
    "outboxPending",
    "spooledEntries",
)
"""The metrics that are counted from our own logs and tell what no metric of AWS does; without the track's name."""
OF_FALLBACKS = {
    "EdgeMockAudit": "audit",
    "EdgeMockEvidence": "evidence",
    "EdgeMockQueue": "queue",
    "EdgeMockGuardrails": "guardrails",
}
"""Those of what answers in the place of an adapter, which says nothing of one that is a mock."""
SAID_BY_WORKERS = "oldestAlertSeconds"
"""What each worker says every minute while its queue is real: without it nobody knows whether alerts are delivered."""
LEAST_DAYS = 30
"""How long a log is there: as long as evidence is."""


@rule(
    "alarms-every-way-down",
    *WAYS_DOWN,
    LISTENER,
    SERVICE,
    FILTER,
    severity="high",
    todo="declare a MetricAlarm on the metric with this resource's dimensions",
)
def every_way_down(resource: Resource, stack: Stack) -> Iterator[str]:
    """Whatever can be down has an alarm on each way of being it"""
    alarms = _of(resource, stack)
    for metric, most in WAYS_DOWN.get(resource.type, {}).items():
        if not any(_rings(one, metric, most) for one in alarms):
            yield f"no alarm on {metric} that ever rings"
    if resource.type == FILTER:
        metric = resource.get("metricTransformation.name")
        kind = metric.partition("-")[0]
        if kind in OF_OUR_LOGS and not any(_rings(one, metric, OF_A_LOG) for one in stack.of(ALARM)):
            yield f"no alarm on {metric} that ever rings"
    for metric in _fallbacks(resource, stack):
        if not any(_rings(one, metric, OF_A_LOG) for one in stack.of(ALARM)):
            yield f"no alarm on {metric} that ever rings"
    if _delivers(resource, stack) and not any(
        _rings(one, SAID_BY_WORKERS, OF_A_LOG) and one.get("treatMissingData") == "breaching" for one in stack.of(ALARM)
    ):
        yield f"no alarm on the silence of {SAID_BY_WORKERS}"
    if absent := _absent(resource, stack):
        some, metric = absent
        heard = [alarm for one in some for alarm in _of(one, stack) if _rings(alarm, metric, OF_A_LOG)]
        if not any(one.get("treatMissingData") == "breaching" for one in heard):
            yield f"no alarm on too little {metric}, or on its silence"


def _rings(alarm: Resource, metric: str, most: float) -> bool:
    """Whether it is on the metric, and within the hour on the wrong side of a limit that figures up to `most` pass. An
    alarm on what is unusual has none."""
    if metric not in _metrics(alarm):
        return False
    period = max([*alarm.every("period"), *alarm.every("metricQueries.metric.period")])
    if period * alarm.get("evaluationPeriods") > HOURLY.get(metric, LONGEST):
        return False
    threshold, falls = alarm.get("threshold"), "LessThan" in alarm.get("comparisonOperator")
    if threshold is None or falls != (metric in FALLING):
        return threshold is None
    return bool(FALLING.get(metric, 0) <= threshold <= most)


def _fallbacks(resource: Resource, stack: Stack) -> list[str]:
    """The metrics of what answers in the place of the adapters of a service that takes requests, each track's own."""
    if resource.type != SERVICE or "loadBalancers" not in resource.inputs:
        return []
    track = stack.config.get("web-next:track")
    return [f"{kind}-{track}" for kind, adapter in OF_FALLBACKS.items() if _is_real(adapter, stack)]


def _delivers(resource: Resource, stack: Stack) -> bool:
    """Whether it is the service of a worker whose queue is real."""
    return resource.type == SERVICE and "loadBalancers" not in resource.inputs and _is_real("queue", stack)


def _is_real(adapter: str, stack: Stack) -> bool:
    return bool(json.loads(stack.config.get("web-next:adapters", "{}")).get(adapter) != "mock")


def _of(resource: Resource, stack: Stack) -> list[Resource]:
    return [
        alarm
        for alarm in stack.of(ALARM)
        if any(stack.refers(alarm, path, resource) for path in ("dimensions", "metricQueries"))
        or (resource.type == QUEUES and _node_of(resource, alarm))
    ]


def _node_of(group: Resource, alarm: Resource) -> bool:
    nodes = [str(one).rpartition("-")[0] for one in alarm.every("dimensions.CacheClusterId")]
    return group.get("replicationGroupId") in nodes


def _metrics(alarm: Resource) -> set[str]:
    return {*alarm.every("metricName"), *alarm.every("metricQueries.metric.metricName")}


def _absent(resource: Resource, stack: Stack) -> tuple[list[Resource], str] | None:
    """What must not be absent, by which metric: one of the target groups that a listener sends to, or the tasks of a
    service that takes no requests."""
    if resource.type == LISTENER:
        groups = stack.behind(resource, "defaultActions", TARGETS)
        return (groups, "HealthyHostCount") if groups else None
    quiet = resource.type == SERVICE and "loadBalancers" not in resource.inputs
    return ([resource], "RunningTaskCount") if quiet else None


@rule(
    "alarms-heard",
    ALARM,
    COMPOSITE,
    severity="high",
    covers=["AWS CloudWatch.15", "AWS CloudWatch.17"],
    todo="set alarm_actions to the topic, give it a subscriber by web-next:alarmTargets, and leave actions_enabled",
)
def heard(alarm: Resource, stack: Stack) -> Iterator[str]:
    """Every alarm tells somebody, by itself or as part of one that does"""
    topics = stack.behind(alarm, "alarmActions", TOPIC)
    if not alarm.inputs.get("alarmActions"):
        if not stack.about(COMPOSITE, "alarmRule", alarm):
            yield "no alarmActions"
    elif not topics and not {*alarm.every("alarmActions")} & _of_the_base(stack):
        yield "alarmActions names no topic of the stack or its base"
    if alarm.get("actionsEnabled") is False:
        yield "actionsEnabled false"
    if "actionsSuppressor" in alarm.inputs:
        yield "actionsSuppressor: while another alarm rings it tells nobody"
    for topic in topics:
        if all("filterPolicy" in one.inputs for one in stack.about(SUBSCRIPTION, "topic", topic)):
            yield f"nobody listens to {topic.name}"


def _of_the_base(stack: Stack) -> set[str]:
    """The topic that a candidate's base has it tell."""
    slots = (one.inputs.get("outputs", {}).get("slots", {}) for one in stack.of(REFERENCE))
    return {slot["candidate"]["alarms"]["topic"] for slot in slots if "alarms" in slot.get("candidate", {})}


@rule(
    "alarms-topic-closed",
    TOPIC_POLICY,
    severity="medium",
    covers=["FSBP SNS.4"],
    todo="allow sns:Publish to cloudwatch.amazonaws.com with aws:SourceAccount, and nothing else",
)
def topic_closed(policy: Resource, stack: Stack) -> Iterator[str]:
    """Nobody from outside publishes to a topic, subscribes to it or changes it"""
    arn = f"arn:aws:sns:eu-central-1:{documents.OWNER}:any"
    document = policy.document("policy")
    for target in sorted({arn, *documents.resources(document)}):
        for principal, action in documents.let_in(document, stack, ["sns:Publish", "sns:Subscribe"], target):
            yield f"{principal} may {action}"
        for service in documents.vouched(document, "Service"):
            if documents.serves_others(document, service, documents.actions(document), target):
                yield f"{service} may publish for any account"


@rule(
    "alarms-logs-kept",
    LOG_GROUP,
    severity="medium",
    covers=["AWS CloudWatch.16"],
    todo=f"set retention_in_days to {LEAST_DAYS} or more, by web-next:logDays",
)
def logs_kept(group: Resource, _stack: Stack) -> Iterator[str]:
    """A log is there long enough to look something up, and not for ever"""
    days = group.get("retentionInDays")
    if not days or days < LEAST_DAYS:
        yield f"retentionInDays {days}"
