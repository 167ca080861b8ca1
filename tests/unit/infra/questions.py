"""What must be allowed and what refused in the account of prod, whatever the policies there look like."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import partial

from policy.iam import Principal
from tests.support import aws_calls
from tests.unit.infra.account import Account, role_arn
from tests.unit.infra.actions import asked, decrypts
from tests.unit.infra.asking import Question
from tests.unit.infra.configs import ACCOUNT, NAMES, OPERATORS, REGION
from tests.unit.infra.recorder import Recording
from tests.unit.infra.watch_questions import the_schedules, the_ticks

OTHER_ACCOUNT = "999988887777"
APP = Principal(arn=NAMES.app_role_arn, session="task")
EXECUTION = Principal(arn=role_arn(f"{NAMES.prefix}-execution"), session="task")
BASTION = Principal(arn=role_arn(f"{NAMES.prefix}-bastion"), session="i-1")
OPERATOR = [Principal(arn=arn, session="person") for arn in OPERATORS]
OUTSIDER = Principal(arn=role_arn("administrators"), session="person")
"""An administrator of the account who is no operator of the stack."""
STRANGER = Principal(arn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/administrators", session="person")
ANYBODY = Principal()
ALL_RIGHTS = ("administrator",)
EVIDENCE, RECORDS, ACCESS_LOGS = (
    f"arn:aws:s3:::{NAMES.bucket(purpose)}" for purpose in ("evidence", "records", "access-logs")
)
OBJECTS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
VERSIONS = ("s3:GetObjectVersion", "s3:DeleteObjectVersion")
APP_SECRETS = frozenset(aws_calls.SECRETS.values())


may = partial(Question, allowed=True)
may_not = partial(Question, allowed=False)


def questions(account: Account, declared: Recording) -> list[Question]:
    """All of them."""
    return [
        *the_codes(account, declared),
        *the_apps_bounds(account, environments(declared)["stable"].get("VAULT_ENTRIES", "").split(",")),
        *to_start_tasks(declared),
        *outside(account),
        *the_operators(account),
        *the_bastions(account),
        *taking_a_role_on(),
        *the_alarms(),
        *the_access_logs(),
        *the_ticks(account),
        *the_schedules(),
    ]


def environments(declared: Recording) -> dict[str, dict[str, str]]:
    """What each process of the service is told, by the process."""
    told = {
        task.name: {one["name"]: one["value"] for one in container["environment"]}
        for task in declared.of("aws:ecs/taskDefinition:TaskDefinition")
        for container in json.loads(task.inputs["containerDefinitions"])
        if container["name"] not in ("edge", "watch")
    }
    return told | {"candidate": told["stable"] | declared.outputs["slots"]["candidate"]["environment"]}


def the_codes(account: Account, declared: Recording) -> Iterator[Question]:
    """Each call of the service's code, in each of its processes. What the bucket's policy gives the app (Sid
    EvidenceUpload) and what its own policy gives it is enough, each by itself."""
    for environment in environments(declared).values():
        for call in aws_calls.made(environment):
            for action, resource, context in asked(call, account):
                alone = not action.startswith("kms:")  # a key's own policy has to hand on to the account's
                yield may(who=APP, action=action, resource=resource, context=context, its=not alone)
                if action in ("s3:GetObject", "s3:PutObject"):
                    yield may(who=APP, action=action, resource=resource, own=())


def the_apps_bounds(account: Account, entries: Collection[str]) -> Iterator[Question]:
    """What the app may not, some of it not even with every right of an administrator. `entries` are the vault's that
    it is told of; of another one its own rights know nothing."""
    for name, arn in account.secrets.items():
        for unknown in {*aws_calls.ASKED_FOR.values()} - {*entries}:
            yield may_not(who=APP, action="secretsmanager:GetSecretValue", resource=arn.replace(name, unknown))
        if name not in APP_SECRETS and name not in entries:
            for own in (None, ALL_RIGHTS):
                yield may_not(who=APP, action="secretsmanager:GetSecretValue", resource=arn, own=own)
    for context in (
        decrypts("rds", account),
        decrypts("secretsmanager", account, ("alias/other",)),
        decrypts("secretsmanager", account, ()),
        {"kms:ResourceAliases": account.aliases},
    ):
        yield may_not(who=APP, action="kms:Decrypt", resource=account.key, context=context)
    for prefix in ("", "elsewhere/"):
        yield may_not(who=APP, action="s3:ListBucket", resource=EVIDENCE, context={"s3:prefix": prefix})
    for action in (*OBJECTS, *VERSIONS):
        yield may_not(who=APP, action=action, resource=f"{EVIDENCE}/elsewhere/x")
        yield may_not(who=APP, action=action, resource=f"{RECORDS}/rollout.json", own=ALL_RIGHTS)
    yield may_not(who=APP, action="s3:ListBucket", resource=RECORDS, own=ALL_RIGHTS)
    for action in VERSIONS:
        yield may_not(who=APP, action=action, resource=f"{EVIDENCE}/evidence/x")
    for action in ("ssm:PutParameter", "ssm:StartSession", "ecr:BatchGetImage", "logs:PutLogEvents", "sns:Publish"):
        yield may_not(who=APP, action=action, resource="*")


def to_start_tasks(declared: Recording) -> Iterator[Question]:
    """What ECS does with the execution role to start a task, after the ECS developer guide, "Amazon ECS task execution
    IAM role". It pulls from no repository of others, and writes into no log of others."""
    containers = [
        container
        for task in declared.of("aws:ecs/taskDefinition:TaskDefinition")
        for container in json.loads(task.inputs["containerDefinitions"])
    ]
    yield may(who=EXECUTION, action="ecr:GetAuthorizationToken", resource="*")
    for repository in {_repository(one["image"]) for one in containers} | {""}:
        for action in ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"):
            arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository or 'of-others'}"
            yield Question(who=EXECUTION, action=action, resource=arn, allowed=bool(repository))
    groups = {one["logConfiguration"]["options"]["awslogs-group"] for one in containers}
    for group in (*sorted(groups), *declared.outputs["slots"]["candidate"]["logs"].values(), None):
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group or '/of/others'}:log-stream:app/app/1"
            yield Question(who=EXECUTION, action=action, resource=arn, allowed=group is not None)


def _repository(image: str) -> str:
    found = re.fullmatch(rf"{ACCOUNT}\.dkr\.ecr\.{REGION}\.amazonaws\.com/([^@]+)@sha256:[0-9a-f]+", image)
    assert found, image
    return found[1]


def outside(account: Account) -> Iterator[Question]:
    """Whoever is neither the app nor an operator: evidence and secrets are closed to it, whatever its rights are."""
    for who, own in ((OUTSIDER, ALL_RIGHTS), (STRANGER, ALL_RIGHTS), (ANYBODY, ()), (EXECUTION, ALL_RIGHTS)):
        for action in (*OBJECTS, *VERSIONS):
            for key in ("evidence/run/1.zip", "spool/audit/x.json", "elsewhere/x"):
                yield may_not(who=who, action=action, resource=f"{EVIDENCE}/{key}", own=own)
        for arn in account.secrets.values():
            yield may_not(who=who, action="secretsmanager:GetSecretValue", resource=arn, own=own)


def the_operators(account: Account) -> Iterator[Question]:
    """Who deploys and who is on call: everything there, over TLS alone, and no second write of what is signed. Their
    own policies are not the stack's."""
    for who in OPERATOR:
        for arn in account.secrets.values():
            yield may(who=who, action="secretsmanager:GetSecretValue", resource=arn, own=ALL_RIGHTS)
        for bucket in (EVIDENCE, RECORDS, ACCESS_LOGS):
            reads = [(action, f"{bucket}/evidence/x") for action in (*OBJECTS, *VERSIONS)]
            for action, resource in (*reads, ("s3:ListBucket", bucket)):
                for secure in (True, False):
                    yield Question(
                        who=who, action=action, resource=resource, own=ALL_RIGHTS, secure=secure, allowed=secure
                    )
        for key in ("approvals/r/p/devops.json", "packs/r/t/manifest.json", "rollouts/1/rollout.json"):
            put = partial(Question, who=who, action="s3:PutObject", resource=f"{RECORDS}/{key}", own=ALL_RIGHTS)
            yield put(allowed=True, context={"s3:if-none-match": "*"})
            yield put(allowed=False)


def the_bastions(account: Account) -> Iterator[Question]:
    """The bastion's agent forwards a port (Systems Manager user guide, "Step 2: Verify or add instance permissions"),
    and reads neither a secret nor evidence."""
    for action in (
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
    ):
        yield may(who=BASTION, action=action, resource="*")
    for arn in account.secrets.values():
        yield may_not(who=BASTION, action="secretsmanager:GetSecretValue", resource=arn)
    for action in (*OBJECTS, *VERSIONS):
        yield may_not(who=BASTION, action=action, resource=f"{EVIDENCE}/evidence/x")
    for action in ("kms:Decrypt", "sts:AssumeRole", "ssm:StartSession"):
        yield may_not(who=BASTION, action=action, resource="*")


def taking_a_role_on() -> Iterator[Question]:
    """A role is taken on by its own service, for this account, and by nobody else."""
    tasks, machines = (Principal(service=f"{name}.amazonaws.com") for name in ("ecs-tasks", "ec2"))
    for role, service in ((APP, tasks), (EXECUTION, tasks), (BASTION, machines)):
        for who in (tasks, machines):
            # EC2 is the account's own machine; it does not say the account.
            context = {"aws:SourceAccount": ACCOUNT} if who is tasks else {}
            yield Question(
                who=who,
                action="sts:AssumeRole",
                resource=str(role.arn),
                context=context,
                allowed=who is service,
            )
        for who in (OUTSIDER, STRANGER, *OPERATOR):
            yield may_not(who=who, action="sts:AssumeRole", resource=str(role.arn), own=ALL_RIGHTS)
    for role in (APP, EXECUTION):
        yield may_not(
            who=tasks, action="sts:AssumeRole", resource=str(role.arn), context={"aws:SourceAccount": OTHER_ACCOUNT}
        )


def the_alarms() -> Iterator[Question]:
    """CloudWatch publishes this account's alarms."""
    cloudwatch = Principal(service="cloudwatch.amazonaws.com")
    for who, account in (
        (cloudwatch, ACCOUNT),
        (cloudwatch, OTHER_ACCOUNT),
        (Principal(service="s3.amazonaws.com"), ACCOUNT),
    ):
        yield Question(
            who=who,
            action="sns:Publish",
            resource=NAMES.alarms_topic_arn,
            context={"aws:SourceAccount": account},
            allowed=(who, account) == (cloudwatch, ACCOUNT),
        )


def the_access_logs() -> Iterator[Question]:
    """Elastic Load Balancing writes this account's logs ("Enable access logs for your Application Load Balancer"), and
    neither another account's load balancers nor another service, the app or a stranger does."""
    delivery, other = (
        Principal(service=f"logdelivery.{name}.amazonaws.com") for name in ("elasticloadbalancing", "elb")
    )
    for who in (delivery, other, ANYBODY, STRANGER, APP):
        for account in (ACCOUNT, OTHER_ACCOUNT):
            for action in ("s3:PutObject", "s3:GetObject"):
                yield Question(
                    who=who,
                    action=action,
                    resource=f"{ACCESS_LOGS}/AWSLogs/{account}/ELBAccessLogTestFile",
                    allowed=(who, account, action) == (delivery, ACCOUNT, "s3:PutObject"),
                )
