"""The create request of each type that no local stack makes, or not with all inputs: the operation, and how the inputs
go into it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from offline.standins.aws.mapper import to_api
from tests.support.service_model import shapes

Inputs = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Row:
    """How a type's inputs become its create request: `names` has the API's names that differ, at any depth, and
    `shaped` puts inputs together that the API has otherwise."""

    service: str
    operation: str
    names: Mapping[str, str] = field(default_factory=dict)
    shaped: Callable[[Inputs], Inputs] = lambda inputs: inputs

    def parameters(self, inputs: Inputs) -> Inputs:
        """The request's. Raises StandinError for an input that the operation does not have."""
        shape, _ = shapes(self.service, self.operation)
        made: Inputs = to_api(shape, self.shaped(inputs), self.names)
        return made


def _alarm(inputs: Inputs) -> Inputs:
    queries = [
        {key: value for key, value in query.items() if key != "metric"}
        | ({"metricStat": _metric_stat(query["metric"])} if "metric" in query else {})
        for query in inputs.pop("metricQueries", [])
    ]
    dimensions = {"dimensions": _dimensions(inputs["dimensions"])} if "dimensions" in inputs else {}
    return {**inputs, **dimensions, **({"metrics": queries} if queries else {})}


def _metric_stat(told: Inputs) -> Inputs:
    named = {"namespace": told["namespace"], "metricName": told["metricName"]}
    metric = {**named, "dimensions": _dimensions(told.get("dimensions", {}))}
    return {"metric": metric, **{key: value for key, value in told.items() if key not in metric}}


def _dimensions(told: Inputs) -> list[Inputs]:
    return [{"name": name, "value": value} for name, value in told.items()]


def _auto_scaling_group(inputs: Inputs) -> Inputs:
    zones = ",".join(inputs.pop("vpcZoneIdentifiers"))
    return {**inputs, "vpcZoneIdentifier": zones}


def _launch_template(inputs: Inputs) -> Inputs:
    name = inputs.pop("name")
    return {"launchTemplateName": name, "launchTemplateData": _booleans(inputs)}


def _booleans(value: Any) -> Any:
    """The provider takes the booleans of a launch template as texts."""
    if isinstance(value, dict):
        return {key: _booleans(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_booleans(inner) for inner in value]
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _service(inputs: Inputs) -> Inputs:
    vpc = dict(inputs["networkConfiguration"])
    vpc["assignPublicIp"] = "ENABLED" if vpc["assignPublicIp"] else "DISABLED"
    deployment = {
        "maximumPercent": inputs.pop("deploymentMaximumPercent"),
        "minimumHealthyPercent": inputs.pop("deploymentMinimumHealthyPercent"),
        "deploymentCircuitBreaker": inputs.pop("deploymentCircuitBreaker"),
        **({"alarms": inputs.pop("alarms")} if "alarms" in inputs else {}),
    }
    return {
        **inputs,
        "networkConfiguration": {"awsvpcConfiguration": vpc},
        "deploymentConfiguration": deployment,
    }


def _scheduled(inputs: Inputs) -> Inputs:
    run = dict(inputs["target"]["ecsParameters"])
    vpc = dict(run["networkConfiguration"])
    vpc["assignPublicIp"] = "ENABLED" if vpc["assignPublicIp"] else "DISABLED"
    run["networkConfiguration"] = {"awsvpcConfiguration": vpc}
    return {**inputs, "target": {**inputs["target"], "ecsParameters": run}}


def _balancer(inputs: Inputs) -> Inputs:
    scheme = "internal" if inputs.pop("internal") else "internet-facing"
    return {**inputs, "scheme": scheme}


def _target_group(inputs: Inputs) -> Inputs:
    check = inputs.pop("healthCheck")
    asked = {
        "healthCheckIntervalSeconds": check["interval"],
        "healthCheckTimeoutSeconds": check["timeout"],
        "healthCheckPath": check["path"],
        "healthyThresholdCount": check["healthyThreshold"],
        "unhealthyThresholdCount": check["unhealthyThreshold"],
        "matcher": {"httpCode": check["matcher"]},
    }
    assert len(asked) == len(check), f"the health check has {sorted(check)}: a row is missing here"
    return {**inputs, **asked}


def _listener(inputs: Inputs) -> Inputs:
    certificate = inputs.pop("certificateArn", None)
    return {
        **inputs,
        "defaultActions": [_action(action) for action in inputs["defaultActions"]],
        **({"certificates": [{"certificateArn": certificate}]} if certificate else {}),
    }


def _action(action: Inputs) -> Inputs:
    renamed = {"forward": "forwardConfig", "redirect": "redirectConfig"}
    return {renamed.get(key, key): value for key, value in action.items()}


def _rule(inputs: Inputs) -> Inputs:
    fields = {
        "httpHeader": ("http-header", "httpHeaderConfig"),
        "sourceIp": ("source-ip", "sourceIpConfig"),
    }
    conditions = [
        {"field": fields[kind][0], fields[kind][1]: told}
        for condition in inputs["conditions"]
        for kind, told in condition.items()
    ]
    return {**inputs, "actions": [_action(action) for action in inputs["actions"]], "conditions": conditions}


def _record(inputs: Inputs) -> Inputs:
    name = {key: inputs[key] for key in ("name", "type", "ttl") if key in inputs}
    values = [{"value": value} for value in inputs.get("records", [])]
    targets = [
        {"hostedZoneId": one["zoneId"], "DNSName": one["name"], "evaluateTargetHealth": one["evaluateTargetHealth"]}
        for one in inputs.get("aliases", [])
    ]
    told = {**({"resourceRecords": values} if values else {}), **({"aliasTarget": targets[0]} if targets else {})}
    action = "UPSERT" if inputs.get("allowOverwrite") else "CREATE"
    return {
        "hostedZoneId": inputs["zoneId"],
        "changeBatch": {"changes": [{"action": action, "resourceRecordSet": {**name, **told}}]},
    }


def _web_acl(inputs: Inputs) -> Inputs:
    bodies = {
        one["key"]: {"Content": one["content"], "ContentType": one["contentType"]}
        for one in inputs["customResponseBodies"]
    }
    return {**_searched(inputs), "customResponseBodies": bodies}


def _searched(value: Any) -> Any:
    """What is searched for is bytes on the wire."""
    if isinstance(value, dict):
        return {key: inner.encode() if key == "searchString" else _searched(inner) for key, inner in value.items()}
    return [_searched(inner) for inner in value] if isinstance(value, list) else value


ROWS: dict[str, Row] = {
    "aws:acm/certificate:Certificate": Row(service="acm", operation="RequestCertificate"),
    "aws:appautoscaling/policy:Policy": Row(
        service="application-autoscaling", operation="PutScalingPolicy", names={"name": "PolicyName"}
    ),
    "aws:appautoscaling/target:Target": Row(service="application-autoscaling", operation="RegisterScalableTarget"),
    "aws:autoscaling/group:Group": Row(
        service="autoscaling",
        operation="CreateAutoScalingGroup",
        names={"name": "AutoScalingGroupName", "id": "LaunchTemplateId"},
        shaped=_auto_scaling_group,
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Row(
        service="cloudwatch", operation="PutMetricAlarm", names={"name": "AlarmName Name"}, shaped=_alarm
    ),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": Row(service="cloudwatch", operation="PutCompositeAlarm"),
    "aws:cloudwatch/dashboard:Dashboard": Row(service="cloudwatch", operation="PutDashboard"),
    "aws:ec2/launchTemplate:LaunchTemplate": Row(
        service="ec2",
        operation="CreateLaunchTemplate",
        names={"networkInterfaces": "NetworkInterfaces", "securityGroups": "Groups SecurityGroups"},
        shaped=_launch_template,
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Row(
        service="ecr",
        operation="PutLifecyclePolicy",
        names={"repository": "repositoryName", "policy": "lifecyclePolicyText"},
    ),
    "aws:ecr/repository:Repository": Row(service="ecr", operation="CreateRepository", names={"name": "repositoryName"}),
    "aws:ecs/cluster:Cluster": Row(
        service="ecs",
        operation="CreateCluster",
        shaped=lambda inputs: {"clusterName": inputs.pop("name"), **inputs},
    ),
    "aws:ecs/service:Service": Row(
        service="ecs",
        operation="CreateService",
        names={"name": "serviceName"},
        shaped=_service,
    ),
    "aws:ecs/taskDefinition:TaskDefinition": Row(
        service="ecs",
        operation="RegisterTaskDefinition",
        shaped=lambda inputs: {**inputs, "containerDefinitions": json.loads(inputs["containerDefinitions"])},
    ),
    "aws:lb/listener:Listener": Row(
        service="elbv2",
        operation="CreateListener",
        names={"arn": "TargetGroupArn", "stickiness": "TargetGroupStickinessConfig", "duration": "DurationSeconds"},
        shaped=_listener,
    ),
    "aws:lb/listenerRule:ListenerRule": Row(service="elbv2", operation="CreateRule", shaped=_rule),
    "aws:iam/policy:Policy": Row(
        service="iam", operation="CreatePolicy", names={"name": "PolicyName", "policy": "PolicyDocument"}
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Row(
        service="iam", operation="CreateOpenIDConnectProvider", names={"clientIdLists": "ClientIDList"}
    ),
    "aws:lb/loadBalancer:LoadBalancer": Row(
        service="elbv2",
        operation="CreateLoadBalancer",
        names={"loadBalancerType": "Type"},
        shaped=_balancer,
    ),
    "aws:lb/targetGroup:TargetGroup": Row(
        service="elbv2",
        operation="CreateTargetGroup",
        shaped=_target_group,
    ),
    "aws:route53/record:Record": Row(service="route53", operation="ChangeResourceRecordSets", shaped=_record),
    "aws:scheduler/schedule:Schedule": Row(service="scheduler", operation="CreateSchedule", shaped=_scheduled),
    "aws:wafv2/webAcl:WebAcl": Row(
        service="wafv2",
        operation="CreateWebACL",
        names={"cloudwatchMetricsEnabled": "CloudWatchMetricsEnabled"},
        shaped=_web_acl,
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": Row(service="wafv2", operation="AssociateWebACL"),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": Row(
        service="wafv2",
        operation="PutLoggingConfiguration",
        shaped=lambda inputs: {"loggingConfiguration": inputs},
    ),
}
