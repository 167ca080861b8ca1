"""The request that makes each resource of a captured stack: by the stand-in that sends it on a local stack, or for what
no local stack makes by a row of this table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from offline.standins.aws import PACKAGE
from offline.standins.aws.mapper import to_api
from offline.standins.kind import Call
from tests.support.service_model import shapes
from tests.unit.infra.configs import ACCOUNT, REGION
from tests.unit.infra.recorder import Registered

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One request to one service."""

    service: str
    operation: str
    parameters: Inputs


@dataclass(frozen=True, kw_only=True)
class Row:
    """How a type's inputs become its create request: `names` has the API's names that differ, at any depth, `shaped`
    puts inputs together that the API has otherwise, and `elsewhere` are those that go with another request, or none."""

    service: str
    operation: str
    names: Mapping[str, str] = field(default_factory=dict)
    shaped: Callable[[Inputs], Inputs] = lambda inputs: inputs
    elsewhere: str = ""

    def request(self, inputs: Inputs) -> Request:
        """The request. Raises StandinError for an input that the operation does not have."""
        shape, _ = shapes(self.service, self.operation)
        left = {key: value for key, value in inputs.items() if key not in self.elsewhere.split()}
        return Request(self.service, self.operation, to_api(shape, self.shaped(left), self.names))


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
    return {**inputs, "customResponseBodies": bodies}


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
        elsewhere="instanceRefresh",
    ),
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
        elsewhere="waitForSteadyState",
    ),
    "aws:ecs/taskDefinition:TaskDefinition": Row(
        service="ecs",
        operation="RegisterTaskDefinition",
        shaped=lambda inputs: {**inputs, "containerDefinitions": json.loads(inputs["containerDefinitions"])},
        elsewhere="skipDestroy",
    ),
    "aws:lb/listener:Listener": Row(
        service="elbv2",
        operation="CreateListener",
        names={"arn": "TargetGroupArn", "stickiness": "TargetGroupStickinessConfig", "duration": "DurationSeconds"},
        shaped=_listener,
    ),
    "aws:lb/listenerRule:ListenerRule": Row(service="elbv2", operation="CreateRule", shaped=_rule),
    "aws:lb/loadBalancer:LoadBalancer": Row(
        service="elbv2",
        operation="CreateLoadBalancer",
        names={"loadBalancerType": "Type"},
        shaped=_balancer,
        elsewhere="desyncMitigationMode dropInvalidHeaderFields idleTimeout",
    ),
    "aws:lb/targetGroup:TargetGroup": Row(
        service="elbv2",
        operation="CreateTargetGroup",
        shaped=_target_group,
        elsewhere="deregistrationDelay loadBalancingAlgorithmType",
    ),
    "aws:route53/record:Record": Row(service="route53", operation="ChangeResourceRecordSets", shaped=_record),
    "aws:wafv2/webAcl:WebAcl": Row(
        service="wafv2",
        operation="CreateWebACL",
        names={"cloudwatchMetricsEnabled": "CloudWatchMetricsEnabled"},
        shaped=_web_acl,
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": Row(service="wafv2", operation="AssociateWebACL"),
}
NONE: dict[str, str] = {
    "aws:acm/certificateValidation:CertificateValidation": "it waits for a certificate, and sends nothing",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "AWS makes it with the VPC; the provider takes rules away",
}
"""Types without a create request, and why."""


class _Sent(Exception):  # noqa: N818 - no error: the way out of a stand-in that would go on
    pass


class _Wire:
    """A cloud that takes the first request that writes, and has nothing yet."""

    region, account = REGION, ACCOUNT

    def __init__(self) -> None:
        self.sent: list[Request] = []

    shape = staticmethod(shapes)

    def find(self, *_: Any, **__: Any) -> None:
        return None

    def call(self, service: str, operation: str, **parameters: Any) -> NoReturn:
        self.sent.append(Request(service, operation, parameters))
        raise _Sent


def requests(one: Registered) -> Iterator[Request]:
    """What the creation of a captured resource would send first; nothing for the types of NONE."""
    if one.token in ROWS:
        yield ROWS[one.token].request(_whole(one.inputs))
    elif one.token not in NONE:
        kind = PACKAGE.kinds.get(one.token)
        create = kind and kind.create
        assert create, f"{one.token}: no stand-in makes it; add its row to ROWS, or its reason to NONE"
        wire = _Wire()
        try:
            create(Call(cloud=wire, urn="urn", inputs=_whole(one.inputs), replaces=""))
        except _Sent:
            yield from wire.sent


def _whole(value: Any) -> Any:
    """A copy in which the numbers are whole that are: on the wire each is a float."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
