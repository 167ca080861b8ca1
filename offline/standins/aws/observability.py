"""What is watched and who is told: logs, cloudwatch, sns."""

from __future__ import annotations

import json
from typing import Any

from offline.standins.aws.api import Api
from offline.standins.aws.part import Part
from offline.standins.kind import Call, Properties, StandinError


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
    id_parameter="logGroupName logGroupNamePrefix",
    create="CreateLogGroup",
    describe="DescribeLogGroups",
    object_path="logGroups[?logGroupName=='{id}'] | [0]",
    delete="DeleteLogGroup",
    name_input="name",
    api_names={"name": "logGroupName"},
    outputs={"arn": "logGroupArn || join(':', split(arn, ':')[:7])"},
    replace_on_change="logGroupClass",
    after_write=_retention,
    observed_inputs=lambda _call, found: {"retentionInDays": found.get("retentionInDays")},
)


def _dimensions(call: Call) -> Properties:
    if "metricQueries" in call.inputs:
        raise StandinError(
            f"alarm {call.inputs.get('name')!r} is on a formula (metricQueries), and this stand-in makes alarms on one "
            "metric alone: name that metric, or use the official provider (PROVIDERS=official)"
        )
    dimensions = call.inputs.get("dimensions", {})
    return {"Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()]}


def _seen_dimensions(_call: Call, found: Any) -> Properties:
    return {"dimensions": {item["Name"]: item["Value"] for item in found.get("Dimensions", [])}}


ALARM = Api(
    type="aws:cloudwatch/metricAlarm:MetricAlarm",
    service="cloudwatch",
    id_parameter="AlarmName",
    create="PutMetricAlarm",
    describe="DescribeAlarms",
    object_path="MetricAlarms[0]",
    update="PutMetricAlarm",
    delete="DeleteAlarms",
    name_input="name",
    api_names={"name": "AlarmName", "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile"},
    outputs={"arn": "AlarmArn"},
    tag_after_create=True,
    unmapped_inputs="dimensions",
    create_parameters=_dimensions,
    update_parameters=_dimensions,
    observed_inputs=_seen_dimensions,
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
    id_parameter="TopicArn",
    id_path="TopicArn",
    create="CreateTopic",
    describe="GetTopicAttributes",
    object_path="Attributes",
    delete="DeleteTopic",
    name_input="name",
    outputs={"arn": "TopicArn", "owner": "Owner"},
    tag_after_create=True,
    replace_on_change="fifoTopic",
    create_parameters=_attributes,
    after_write=_change_attributes,
    observed_inputs=lambda _call, found: {key: found[name] for key, name in _ATTRIBUTES.items() if name in found},
)

# "name" is the filter's in one structure and the metric's in the other.
METRIC_FILTER = Part(
    type="aws:cloudwatch/logMetricFilter:LogMetricFilter",
    service="logs",
    key_inputs="logGroupName name",
    put="PutMetricFilter",
    get="DescribeMetricFilters",
    object_path="metricFilters[?filterName=='{name}'] | [0]",
    delete="DeleteMetricFilter",
    api_names={
        "name": "filterName filterNamePrefix metricName",
        "namespace": "metricNamespace",
        "value": "metricValue",
        "pattern": "filterPattern",
        "metricTransformation": "metricTransformations",
    },
)


def _default_policy(call: Call) -> Properties:
    """The policy that a topic is born with: its account may do everything."""
    topic = call.inputs["arn"]
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{verb}" for verb in ("Publish", "Subscribe", "Receive")],
        "Resource": topic,
        "Condition": {"StringEquals": {"AWS:SourceOwner": topic.split(":")[4]}},
    }
    policy = {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}
    return {"AttributeName": "Policy", "AttributeValue": json.dumps(policy)}


TOPIC_POLICY = Part(
    type="aws:sns/topicPolicy:TopicPolicy",
    service="sns",
    key_inputs="arn",
    put="SetTopicAttributes",
    get="GetTopicAttributes",
    object_path="Attributes",
    delete="SetTopicAttributes",
    api_names={"arn": "TopicArn", "policy": "AttributeValue"},
    outputs={"owner": "Owner"},
    put_parameters={"AttributeName": "Policy"},
    delete_parameters=_default_policy,
    observed_inputs=lambda _call, found: {"policy": found.get("Policy")},
)

TOPIC_SUBSCRIPTION = Part(
    type="aws:sns/topicSubscription:TopicSubscription",
    service="sns",
    key_inputs="topic protocol endpoint",
    put="Subscribe",
    get="ListSubscriptionsByTopic",
    object_path="Subscriptions[?Protocol=='{protocol}' && Endpoint=='{endpoint}'] | [0]",
    delete="Unsubscribe",
    api_names={"topic": "TopicArn"},
    outputs={"arn": "SubscriptionArn", "ownerId": "Owner"},
    handle_parameters={"SubscriptionArn": "SubscriptionArn"},
    unmapped_inputs="confirmationTimeoutInMinutes endpointAutoConfirms",
)

KINDS = tuple(row.kind() for row in (LOG_GROUP, ALARM, TOPIC, METRIC_FILTER, TOPIC_POLICY, TOPIC_SUBSCRIPTION))
