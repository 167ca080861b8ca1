"""Names and descriptions: AWS takes every one that the program declares, and a service's rule is looked up once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.unit.infra.configs import DOCKER, FARGATE, changed, without
from tests.unit.infra.parts import run

EC2 = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}"
"""A security group's name and description, and a rule's description. None of them can be changed later."""
IAM = r"[\w+=,.@-]{1,64}"
PRINTABLE = r"[ -~]{1,255}"
"""No control character; AWS documents no more than that."""
DATA = r"[a-z](-?[a-z0-9])*"
WAF = r"[\w-]{1,128}"
ECS = r"[a-zA-Z0-9_-]{1,255}"
BALANCER = r"(?!internal-)(?=.{1,32}\Z)[a-zA-Z0-9](-?[a-zA-Z0-9])*"
RULES: dict[str, dict[str, str]] = {
    "aws:appautoscaling/policy:Policy": {"name": PRINTABLE},
    "aws:autoscaling/group:Group": {"name": PRINTABLE},
    "aws:cloudwatch/logGroup:LogGroup": {"name": r"[.\-_/#A-Za-z0-9]{1,512}"},
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": {"name": r"[^:*]{1,512}"},
    "aws:cloudwatch/metricAlarm:MetricAlarm": {"name": PRINTABLE, "alarmDescription": r"[ -~]{1,1024}"},
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": {"alarmName": PRINTABLE, "alarmDescription": r"[ -~]{1,1024}"},
    "aws:ec2/launchTemplate:LaunchTemplate": {"name": r"[a-zA-Z0-9().\-/_]{3,128}"},
    "aws:ec2/securityGroup:SecurityGroup": {"name": f"(?!sg-){EC2}", "description": EC2},
    "aws:ecr/repository:Repository": {"name": r"(?=.{2,256}\Z)[a-z0-9]+([._/-][a-z0-9]+)*"},
    "aws:ecs/cluster:Cluster": {"name": ECS},
    "aws:ecs/service:Service": {"name": ECS},
    "aws:ecs/taskDefinition:TaskDefinition": {"family": ECS},
    "aws:elasticache/parameterGroup:ParameterGroup": {"name": DATA, "description": PRINTABLE},
    "aws:elasticache/replicationGroup:ReplicationGroup": {
        "replicationGroupId": rf"(?=.{{1,40}}\Z){DATA}",
        "description": PRINTABLE,
    },
    "aws:elasticache/subnetGroup:SubnetGroup": {"name": DATA, "description": PRINTABLE},
    "aws:iam/instanceProfile:InstanceProfile": {"name": IAM},
    "aws:iam/role:Role": {"name": IAM},
    "aws:iam/rolePolicy:RolePolicy": {"name": IAM},
    "aws:kms/alias:Alias": {"name": r"alias/(?!aws/)[a-zA-Z0-9/_-]{1,250}"},
    "aws:kms/key:Key": {"description": r"[ -~]{1,8192}"},
    "aws:lb/loadBalancer:LoadBalancer": {"name": BALANCER},
    "aws:lb/targetGroup:TargetGroup": {"name": BALANCER},
    "aws:rds/instance:Instance": {
        "identifier": rf"(?=.{{1,63}}\Z){DATA}",
        "finalSnapshotIdentifier": rf"(?=.{{1,255}}\Z){DATA}",
    },
    "aws:rds/parameterGroup:ParameterGroup": {"name": rf"(?=.{{1,255}}\Z){DATA}", "description": PRINTABLE},
    "aws:rds/subnetGroup:SubnetGroup": {"name": r"(?!default\Z)[a-z0-9._ -]{1,255}", "description": PRINTABLE},
    "aws:route53/record:Record": {"name": r"[a-z0-9._-]{1,255}"},
    "aws:secretsmanager/secret:Secret": {"name": r"(?!.*-.{6}\Z)[A-Za-z0-9/_+=.@-]{1,512}"},
    "aws:scheduler/schedule:Schedule": {"name": r"[0-9a-zA-Z-_.]{1,64}", "description": r"[ -~]{1,512}"},
    "aws:sns/topic:Topic": {"name": r"[A-Za-z0-9_-]{1,256}"},
    "aws:ssm/parameter:Parameter": {"name": r"(?!/?(aws|ssm))[a-zA-Z0-9_.\-/]{1,1011}"},
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": {"description": EC2},
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {"description": EC2},
    "aws:wafv2/webAcl:WebAcl": {
        "name": WAF,
        "description": r"[\w+=:#@/\-,.][\w+=:#@/\-,.\s]+[\w+=:#@/\-,.]",
        "rules.name": WAF,
        "rules.visibilityConfig.metricName": WAF,
        "visibilityConfig.metricName": WAF,
    },
}
"""What AWS takes, by the input of a resource type. A bucket's name is `infra/naming.py`'s to check."""
TAG = r"[\w .:/=+\-@]{0,256}"
PROD = changed(
    FARGATE,
    database={"access": "tunnel", "clientGroups": ["sg-0a1b2c3d"]},
    edge={"trustedCallers": ["198.51.100.7/32"]},
    network={"nat": "per-zone"},
)
CANARY = changed(without(FARGATE, "zones"), track="candidate", base="prod")
LOCAL = without(DOCKER, "executorUrl")


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of an input with its path; lists are not part of it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, path)
    elif isinstance(value, str):
        yield path, value


def called(path: str) -> bool:
    """Whether an input names or describes its own resource."""
    return path in ("name", "description", "alarmDescription", "identifier") or path.startswith("tags.")


RULE = r"aws:vpc/securityGroup(In|E)gressRule:.*"


@pytest.mark.parametrize("access", ["direct", "later", "tunnel"])
@pytest.mark.parametrize("port", ["", ":8443"], ids=["443 alone", "an executor of another port"])
def test_each_security_group_and_each_of_its_rules_has_a_description_that_ec2_takes(access: str, port: str) -> None:
    config = changed(PROD, database={"access": access}, executorUrl=f"https://executor.web-next.test{port}")
    described = [
        (one.token, one.name, one.inputs["description"])
        for one in run(config).registered
        if one.token == "aws:ec2/securityGroup:SecurityGroup" or re.fullmatch(RULE, one.token)
    ]

    assert len(described) >= 16
    assert [one for one in described if not re.fullmatch(EC2, one[2], re.ASCII)] == []


FOR_EVER = {
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:elasticache/parameterGroup:ParameterGroup",
    "aws:rds/parameterGroup:ParameterGroup",
}
"""Types whose description AWS cannot change. What has a name of its own is deleted first when it is replaced, and none
of these can be deleted while it is in use."""


def test_another_wording_replaces_nothing_that_is_in_use() -> None:
    kept = [one for one in run(PROD).registered if one.token in FOR_EVER]

    assert {one.token for one in kept} == FOR_EVER
    assert [one.name for one in kept if one.ignore_changes != ("description",)] == []


@pytest.mark.parametrize(
    ("config", "least"), [(PROD, 100), (CANARY, 2), (LOCAL, 60)], ids=["prod", "canary", "a docker stack"]
)
def test_aws_takes_every_name_and_description_that_the_program_declares(config: Mapping[str, str], least: int) -> None:
    declared = run(config)
    refused, checked = [], 0
    for one in (one for one in declared.registered if one.token.startswith("aws:")):
        rules = RULES.get(one.token, {})
        for path, text in texts(one.inputs):
            rule = TAG if path.startswith("tags.") else rules.get(path)
            if rule is None:
                assert not called(path), f"{one.token} has {path}: look up what AWS takes there, and add it to RULES"
                continue
            checked += 1
            if not re.fullmatch(rule, text, re.ASCII):
                refused.append(f"{one.token} {one.name}: {path} is {text!r}, AWS takes {rule}")

    assert refused == []
    assert checked >= least
