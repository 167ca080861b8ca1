"""Who hears of it: every way of being down has an alarm, and every alarm somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policy import documents
from policy.resources import Resource, Stack
from policy.rule import rule

ALARM, TOPIC, TOPIC_POLICY = (
    "aws:cloudwatch/metricAlarm:MetricAlarm",
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
SERVICE, CLUSTER = "aws:ecs/service:Service", "aws:ecs/cluster:Cluster"
WAYS_DOWN: Mapping[str, tuple[str, ...]] = {
    DATABASE: ("FreeStorageSpace", "DatabaseConnections", "CPUUtilization"),
    QUEUES: ("Evictions", "DatabaseMemoryUsagePercentage", "EngineCPUUtilization"),
    BALANCER: ("HTTPCode_ELB_5XX_Count",),
    TARGETS: ("HTTPCode_Target_5XX_Count", "TargetResponseTime"),
}
"""The metrics by which each is seen to be down, or about to be."""
LEAST_DAYS = 30
"""How long a log is there: as long as evidence is."""


@rule(
    "alarms-every-way-down",
    *WAYS_DOWN,
    SERVICE,
    severity="high",
    todo="declare a MetricAlarm on the metric with this resource's dimensions",
)
def every_way_down(resource: Resource, stack: Stack) -> Iterator[str]:
    """Whatever can be down has an alarm on each way of being it"""
    alarms = _of(resource, stack)
    for metric in WAYS_DOWN.get(resource.type, ()):
        if not any(metric in _metrics(one) for one in alarms):
            yield f"no alarm on {metric}"
    if silent := _silent(resource, stack):
        heard = [one for one in alarms if silent in _metrics(one) and one.get("treatMissingData") == "breaching"]
        if not any("LessThan" in one.get("comparisonOperator") and one.get("threshold") >= 1 for one in heard):
            yield f"no alarm on too little {silent}, or on its silence"


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


def _silent(resource: Resource, stack: Stack) -> str | None:
    """The metric of a service's presence: the targets of what takes the traffic, the tasks of what takes none."""
    if resource.type == TARGETS:
        first = [one for listener in stack.of(LISTENER) for one in _first(listener, stack)]
        return "HealthyHostCount" if resource in first else None
    here = resource.type == SERVICE and stack.behind(resource, "cluster", CLUSTER)
    return "RunningTaskCount" if here and not resource.all("loadBalancers") else None


def _first(listener: Resource, stack: Stack) -> Iterator[Resource]:
    """The target groups that a listener sends traffic to when it is made."""
    for action in listener.inputs.get("defaultActions", []):
        for one in (action.get("forward") or {}).get("targetGroups", []):
            if one.get("weight"):
                yield from (group for group in stack.of(TARGETS) if one["arn"] in group.ids)


@rule(
    "alarms-heard",
    ALARM,
    severity="high",
    covers=["FSBP CloudWatch.15", "FSBP CloudWatch.17"],
    todo="set alarm_actions to the topic, give it a subscriber by web-next:alarmTargets, and leave actions_enabled",
)
def heard(alarm: Resource, stack: Stack) -> Iterator[str]:
    """Every alarm tells somebody"""
    if not alarm.inputs.get("alarmActions"):
        yield "no alarmActions"
    if alarm.get("actionsEnabled") is False:
        yield "actionsEnabled false"
    for topic in stack.behind(alarm, "alarmActions", TOPIC):
        if not stack.about(SUBSCRIPTION, "topic", topic):
            yield f"nobody listens to {topic.name}"


@rule(
    "alarms-topic-closed",
    TOPIC_POLICY,
    severity="medium",
    covers=["FSBP SNS.4"],
    todo="allow sns:Publish to cloudwatch.amazonaws.com with aws:SourceAccount, and nothing else",
)
def topic_closed(policy: Resource, _stack: Stack) -> Iterator[str]:
    """Nobody from outside publishes to a topic, subscribes to it or changes it"""
    arn = f"arn:aws:sns:eu-central-1:{documents.OWNER}:any"
    document = policy.document("policy")
    for target in sorted({arn, *documents.resources(document)}):
        who = [documents.NOBODY, documents.STRANGER]
        for principal, action in documents.allowed(document, who, ["sns:Publish", "sns:Subscribe"], target):
            yield f"{principal} may {action}"
    for statement in documents.statements(document):
        service = isinstance(statement.get("Principal"), Mapping) and statement["Principal"].get("Service")
        keys = {key.lower() for asked in statement.get("Condition", {}).values() for key in asked}
        if statement["Effect"] == "Allow" and service and not keys & {"aws:sourceaccount", "aws:sourcearn"}:
            yield f"{service} may publish for any account"


@rule(
    "alarms-logs-kept",
    LOG_GROUP,
    severity="medium",
    covers=["FSBP CloudWatch.16"],
    todo=f"set retention_in_days to {LEAST_DAYS} or more, by web-next:logDays",
)
def logs_kept(group: Resource, _stack: Stack) -> Iterator[str]:
    """A log is there long enough to look something up, and not for ever"""
    days = group.get("retentionInDays")
    if not days or days < LEAST_DAYS:
        yield f"retentionInDays {days}"
