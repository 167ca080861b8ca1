"""The request that makes each resource of a captured stack: a stand-in's, or a row's where no local stack makes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from offline.standins.aws import PACKAGE
from offline.standins.kind import Call
from tests.support.service_model import shapes
from tests.unit.infra.configs import ACCOUNT, REGION
from tests.unit.infra.recorder import Registered
from tests.unit.infra.request_rows import ROWS, Inputs

NONE: dict[str, str] = {
    "aws:acm/certificateValidation:CertificateValidation": "it waits for a certificate, and sends nothing",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "AWS makes it with the VPC; the provider takes rules away",
}
"""Types without a create request, and why."""


LATER: dict[str, dict[str, str]] = {
    "aws:cloudwatch/logGroup:LogGroup": {"retentionInDays": "PutRetentionPolicy"},
    "aws:ec2/eip:Eip": {"tags": "CreateTags; the official provider sends them at once"},
    "aws:ec2/internetGateway:InternetGateway": {"vpcId": "AttachInternetGateway"},
    "aws:ec2/subnet:Subnet": {"mapPublicIpOnLaunch": "ModifySubnetAttribute"},
    "aws:ec2/vpc:Vpc": dict.fromkeys(("enableDnsHostnames", "enableDnsSupport"), "ModifyVpcAttribute"),
    "aws:ecs/service:Service": {"waitForSteadyState": "DescribeServices, until it is so"},
    "aws:ecs/taskDefinition:TaskDefinition": {"skipDestroy": "none: the end is skipped"},
    "aws:elasticache/parameterGroup:ParameterGroup": {"parameters": "ModifyCacheParameterGroup"},
    "aws:elasticache/replicationGroup:ReplicationGroup": {"applyImmediately": "ModifyReplicationGroup"},
    "aws:iam/instanceProfile:InstanceProfile": {"role": "AddRoleToInstanceProfile"},
    "aws:kms/key:Key": {"deletionWindowInDays": "ScheduleKeyDeletion", "enableKeyRotation": "EnableKeyRotation"},
    "aws:lb/loadBalancer:LoadBalancer": dict.fromkeys(
        ("accessLogs", "desyncMitigationMode", "dropInvalidHeaderFields", "enableDeletionProtection", "idleTimeout"),
        "ModifyLoadBalancerAttributes",
    ),
    "aws:lb/targetGroup:TargetGroup": dict.fromkeys(
        ("deregistrationDelay", "loadBalancingAlgorithmType"), "ModifyTargetGroupAttributes"
    ),
    "aws:rds/instance:Instance": {
        **dict.fromkeys(("allowMajorVersionUpgrade", "applyImmediately"), "ModifyDBInstance"),
        **dict.fromkeys(("deleteAutomatedBackups", "finalSnapshotIdentifier", "skipFinalSnapshot"), "DeleteDBInstance"),
    },
    "aws:rds/parameterGroup:ParameterGroup": {"parameters": "ModifyDBParameterGroup"},
    "aws:s3/bucket:Bucket": {"forceDestroy": "DeleteObject, of all it holds"},
    "aws:s3/bucketObjectv2:BucketObjectv2": {"forceDestroy": "DeleteObject, of every version"},
    "aws:secretsmanager/secret:Secret": {"recoveryWindowInDays": "DeleteSecret"},
}
"""Inputs that the first request does not carry, and what does."""


@dataclass(frozen=True)
class Request:
    """One request to one service."""

    service: str
    operation: str
    parameters: Inputs


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
    inputs = _whole(one.inputs)
    if row := ROWS.get(one.token):
        later = LATER.get(one.token, {})
        first = {key: value for key, value in inputs.items() if key not in later}
        yield Request(row.service, row.operation, row.parameters(first))
    elif one.token not in NONE:
        kind = PACKAGE.kinds.get(one.token)
        create = kind and kind.create
        assert create, f"{one.token}: no stand-in makes it; add its row to ROWS, or its reason to NONE"
        wire = _Wire()
        try:
            create(Call(cloud=wire, urn="urn", inputs=inputs, replaces=""))
        except _Sent:
            yield from wire.sent


def _whole(value: Any) -> Any:
    """A copy in which the numbers are whole that are: on the wire each is a float."""
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
