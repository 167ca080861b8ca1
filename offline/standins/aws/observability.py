"""What is watched and who is told: logs, cloudwatch, sns."""

from __future__ import annotations

from typing import Any

from offline.standins.aws.api import Api
from offline.standins.kind import Call, Properties


def _retention(call: Call) -> None:
    if call.changed("retentionInDays"):
        days = call.inputs.get("retentionInDays")
        if days:
            call.cloud.call("logs", "PutRetentionPolicy", logGroupName=call.id, retentionInDays=days)
        else:
            call.cloud.find("logs", "DeleteRetentionPolicy", logGroupName=call.id)


LOG_GROUP = Api(
    type="aws:cloudwatch/logGroup:LogGroup",
    service="logs",
    by="logGroupName logGroupNamePrefix",
    create="CreateLogGroup",
    describe="DescribeLogGroups",
    at="logGroups[?logGroupName=='{id}'] | [0]",
    delete="DeleteLogGroup",
    name="name",
    rename={"name": "logGroupName"},
    outputs={"arn": "logGroupArn || join(':', split(arn, ':')[:7])"},
    replace="logGroupClass",
    after=_retention,
    observe=lambda _call, found: {"retentionInDays": found.get("retentionInDays")},
)


def _dimensions(call: Call) -> Properties:
    dimensions = call.inputs.get("dimensions", {})
    return {"Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()]}


def _seen_dimensions(_call: Call, found: Any) -> Properties:
    return {"dimensions": {item["Name"]: item["Value"] for item in found.get("Dimensions", [])}}


ALARM = Api(
    type="aws:cloudwatch/metricAlarm:MetricAlarm",
    service="cloudwatch",
    by="AlarmName",
    create="PutMetricAlarm",
    describe="DescribeAlarms",
    at="MetricAlarms[0]",
    update="PutMetricAlarm",
    delete="DeleteAlarms",
    name="name",
    rename={"name": "AlarmName", "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile"},
    outputs={"arn": "AlarmArn"},
    tags_later=True,
    aside="dimensions",
    on_create=_dimensions,
    on_update=_dimensions,
    observe=_seen_dimensions,
)

_ATTRIBUTES = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deliveryPolicy": "DeliveryPolicy",
    "displayName": "DisplayName",
    "fifoTopic": "FifoTopic",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
}


def _attributes(call: Call) -> Properties:
    given = {name: call.inputs[key] for key, name in _ATTRIBUTES.items() if key in call.inputs}
    spelled = {name: str(value).lower() if isinstance(value, bool) else value for name, value in given.items()}
    return {"Attributes": spelled}


def _change_attributes(call: Call) -> None:
    for key, name in _ATTRIBUTES.items():
        if call.old and call.changed(key):
            value = _attributes(call)["Attributes"].get(name, "")
            call.cloud.call("sns", "SetTopicAttributes", TopicArn=call.id, AttributeName=name, AttributeValue=value)


TOPIC = Api(
    type="aws:sns/topic:Topic",
    service="sns",
    by="TopicArn",
    id="TopicArn",
    create="CreateTopic",
    describe="GetTopicAttributes",
    at="Attributes",
    delete="DeleteTopic",
    name="name",
    outputs={"arn": "TopicArn", "owner": "Owner"},
    tags_later=True,
    replace="fifoTopic",
    on_create=_attributes,
    after=_change_attributes,
    observe=lambda _call, found: {key: found[name] for key, name in _ATTRIBUTES.items() if name in found},
)

KINDS = (LOG_GROUP.kind(), ALARM.kind(), TOPIC.kind())
