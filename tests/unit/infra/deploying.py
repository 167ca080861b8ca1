"""What whoever deploys asks AWS for: for each resource of a stack, by what AWS publishes, and what goes with that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policy.iam import Principal
from tests.unit.infra.account import role_arn
from tests.unit.infra.asking import Question
from tests.unit.infra.configs import ACCOUNT, NAMES, REGION
from tests.unit.infra.deployment import PROVIDER, arns, kinds, not_ours
from tests.unit.infra.published import binds_to, exists, handlers
from tests.unit.infra.recorder import Recording, Registered

Context = Mapping[str, Any]
DEPLOY, DRIFT = (
    Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/web-next-{name}", session="ada") for name in ("deploy", "drift")
)
READS = ("Describe", "Get", "List")
BEFORE_WRITES = {"s3:ListBucketVersions", "logs:GetLogDelivery", "logs:ListLogDeliveries"}
"""Looks that only whoever changes something takes: what to empty, and where logs go."""
HAS, GETS = {"aws:ResourceTag/service": "web-next"}, {"aws:RequestTag/service": "web-next"}
AT_FIRST = {"ec2:CreateAction": "CreateVpc", **GETS}
BOUNDED = {"iam:PermissionsBoundary": NAMES.boundary_arn}
ATTACHED = {**BOUNDED, "iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"}
TAGGED_LATER = ("DefaultSecurityGroup", "SecurityGroupEgressRule", "SecurityGroupIngressRule")
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/state"
ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:TargetTracking-service/{NAMES.prefix}/stable-AlarmHigh-1"
VIA = {name: {"kms:ViaService": f"{name}.{REGION}.amazonaws.com"} for name in ("rds", "elasticache", "secretsmanager")}
VIA["secretsmanager"]["kms:EncryptionContext:SecretARN"] = (
    f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{NAMES.prefix}/X-a1B2c3"
)
BESIDE: dict[str, tuple[str, Context]] = {
    "cloudwatch:DeleteAlarms": (ALARM, {}),
    "cloudwatch:PutMetricAlarm": (ALARM, {}),
    "ec2:DescribeVpcAttribute": (f"arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/vpc-1", {}),
    "ec2:RunInstances": (
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*",
        {"ec2:LaunchTemplate": f"arn:aws:ec2:{REGION}:{ACCOUNT}:launch-template/lt-1"},
    ),
    "iam:CreateServiceLinkedRole": (
        role_arn("aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"),
        {"iam:AWSServiceName": "rds.amazonaws.com"},
    ),
    "iam:GetRole": (role_arn(f"{NAMES.prefix}-execution"), {}),
    "iam:PassRole": (role_arn(f"{NAMES.prefix}-execution"), {"iam:PassedToService": "ecs-tasks.amazonaws.com"}),
    "kms:CreateGrant": (KEY, {"kms:GrantIsForAWSResource": "true", **VIA["rds"]}),
    "kms:DescribeKey": (KEY, {}),
    "kms:Encrypt": (KEY, VIA["elasticache"]),
    "kms:GenerateDataKey": (KEY, VIA["elasticache"]),
}
"""What a type asks other services for, with what they know of the request; of what AWS binds to nothing, nothing."""


def contexts(action: str, one: Registered, arn: str) -> Iterator[Context]:
    """What AWS knows of a request about a resource, in each way in which it is made."""
    service, _, name = action.partition(":")
    own, reads = arn == next(arns(one)), name.startswith(READS)
    made = name.startswith(("Create", "Allocate")) and name not in ("CreateRoute", "CreateLaunchTemplateVersion")
    if reads or service not in ("ec2", "acm", "kms", "iam", "application-autoscaling"):
        yield {}
    elif name == "CreateTags":
        yield GETS if one.token.endswith(TAGGED_LATER) else AT_FIRST
        yield HAS
    elif service == "ec2":
        new_rule = name.startswith("Authorize") and "rule/" in arn
        yield GETS if made and own else {} if new_rule or (name == "CreateSecurityGroup" and not own) else HAS
    elif service == "application-autoscaling":
        yield {"application-autoscaling:service-namespace": "ecs"}
    elif service == "iam":
        bounded = {"CreateRole", "PutRolePolicy", "DeleteRolePolicy"}
        yield ATTACHED if "tachRolePolicy" in name else BOUNDED if name in bounded else {}
    elif name in ("RequestCertificate", "AddTagsToCertificate", "CreateKey"):
        yield GETS
    elif name.endswith("Alias"):
        yield {}
    else:
        yield from ({}, HAS) if name in ("EnableKeyRotation", "TagResource") else (HAS,)


def wanted(one: Registered) -> Iterator[tuple[str, str, Context]]:
    """Each action that a resource's making, look, change and end ask for, with its ARN and context. An action that AWS
    can bind to none of its ARNs is a mistake of the tables."""
    service = next(arns(one)).split(":")[2]
    provider = {f"{service}:{name}" for name in PROVIDER.get(one.token.removeprefix("aws:"), "").split()}
    published = {
        action
        for kind in kinds(one.token.removeprefix("aws:"))
        for action in handlers(kind)
        if not not_ours(kind, action) and exists(action)
    }
    for action in sorted(provider | published):
        forms = binds_to(action)
        bound = [arn for arn in arns(one) if any(form.fullmatch(arn) for form in forms)]
        if service in ("rds", "elasticache") and action.partition(":")[2].startswith(READS):
            bound = bound[:1]  # what it is made of is looked at by itself
        if "WebACL" not in action or "Get" in action or "Delete" in action:
            bound = [arn for arn in bound if "managedruleset" not in arn]
        if not bound and forms:
            assert action in BESIDE, f"{one.token}: {action} is bound to none of its ARNs; NOT_OURS, or into BESIDE"
            yield action, *BESIDE[action]
        for arn in bound if forms else ["*"]:
            for context in contexts(action, one, arn):
                yield action, arn, context


def of_resources(*recordings: Recording) -> dict[tuple[str, str, tuple[tuple[str, str], ...]], bool]:
    """All that the resources of these stacks ask for, once each, and whether it is given: nobody ends a record."""
    asked = {}
    for recording in recordings:
        for one in recording.registered:
            if one.token.startswith("aws:"):
                for action, arn, context in wanted(one):
                    kept = "-records-" in arn and action.startswith("s3:DeleteObject")
                    asked[action, arn, tuple(sorted(context.items()))] = not kept
    return asked


def others(question: Question) -> Iterator[Question]:
    """The same of somebody else's resource, and of a request that is not as it should be: refused."""
    if NAMES.prefix in question.resource and question.action != "rds:DescribeDBInstances":  # a drill's looks at all
        resource = question.resource.replace(NAMES.prefix, "others")
        yield Question(
            who=question.who, action=question.action, resource=resource, context=question.context, allowed=False
        )
    for key in question.context:
        if key == "ec2:CreateAction" or (
            question.action == "ec2:CreateTags" and "ec2:CreateAction" in question.context
        ):
            continue
        if key == "kms:ResourceAliases" and "kms:ViaService" in question.context:
            continue  # by way of a service a key is used for what that service's own rights say
        changed = {**question.context, key: ("alias/others",) if key == "kms:ResourceAliases" else "others"}
        yield Question(
            who=question.who, action=question.action, resource=question.resource, context=changed, allowed=False
        )
