"""What the watch's roles must be allowed and refused: each call of a tick, and starting one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

import pytest

from cutover.gates.judgement import Judgement
from cutover.gates.result import GateResult, Outcome
from cutover.rollout.record import State
from policy.iam import Principal
from tests.support.rollout_world import AT
from tests.support.scheduled_ticks import Call, OnAws
from tests.unit.infra.account import Account, role_arn
from tests.unit.infra.actions import decrypts
from tests.unit.infra.asking import Question
from tests.unit.infra.configs import ACCOUNT, NAMES, REGION

WATCH, STARTER = (Principal(arn=role_arn(f"{NAMES.prefix}-watch{part}"), session="task") for part in ("", "-schedule"))
RECORDS, EVIDENCE = (f"arn:aws:s3:::{NAMES.bucket(purpose)}" for purpose in ("records", "evidence"))
ECS = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
TARGET = f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/1234abcd"
IN_ECS = {"application-autoscaling:service-namespace": "ecs"}
FAMILY = f"{NAMES.prefix}-watch"
may = partial(Question, allowed=True)
may_not = partial(Question, allowed=False)
ERRORS = GateResult(name="errors", outcome=Outcome.FAILED, on="rollback", limit=0.02, bad=3, of=20, why="3 of 20")
FAILED = Judgement(at=AT, outcome=Outcome.FAILED, why=ERRORS.why, gates=[ERRORS], elapsed=60, remaining=0)


@cache
def ticked() -> tuple[Call, ...]:
    """Every call of ticks over a stack: before the first rollout, and one whose candidate has grown and that is taken
    back, of which at first nobody can be told."""
    with pytest.MonkeyPatch.context() as patch:
        stack = OnAws(patch, NAMES, says=FAILED, tasks={"stable": 2, "candidate": 3})
        stack.tick()
        stack.begun(State.CANARY)
        stack.silent = True
        stack.tick()
        stack.silent = False
        stack.tick()
        return tuple(stack.calls)


def asked(call: Call, account: Account) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The actions that AWS asks a call's rights for, each with its resource and context (service authorization
    reference)."""
    given = call.parameters
    match call.service, call.operation:
        case "s3", "GetObject":
            yield "s3:GetObject", f"arn:aws:s3:::{given['Bucket']}/{given['Key']}", {}
            yield "s3:ListBucket", f"arn:aws:s3:::{given['Bucket']}", {}  # without it a missing key is a 403
        case "s3", "PutObject":
            wanted = {"s3:if-none-match": given["IfNoneMatch"]} if "IfNoneMatch" in given else {}
            yield "s3:PutObject", f"arn:aws:s3:::{given['Bucket']}/{given['Key']}", wanted
        case "elbv2", "DescribeListeners" | "DescribeRules" | "DescribeTags":
            yield f"elasticloadbalancing:{call.operation}", "*", {}
        case "elbv2", "ModifyListener":
            yield "elasticloadbalancing:ModifyListener", given["ListenerArn"], {}
        case "elbv2", "AddTags":
            yield "elasticloadbalancing:AddTags", given["ResourceArns"][0], {}
        case "application-autoscaling", "DescribeScalableTargets":
            yield "application-autoscaling:DescribeScalableTargets", "*", {}
        case "application-autoscaling", "RegisterScalableTarget":
            # Application Auto Scaling user guide, "Permissions required ... ECS": the service's own rights too.
            yield "application-autoscaling:RegisterScalableTarget", TARGET, IN_ECS
            _, cluster, service = given["ResourceId"].split("/")
            for action in ("ecs:DescribeServices", "ecs:UpdateService"):
                yield action, f"{ECS}:service/{cluster}/{service}", {}
        case "ecs", "DescribeServices":
            for service in given["services"]:
                yield "ecs:DescribeServices", f"{given['cluster'].replace(':cluster/', ':service/')}/{service}", {}
        case "ecs", "UpdateService":
            yield "ecs:UpdateService", f"{given['cluster'].replace(':cluster/', ':service/')}/{given['service']}", {}
        case "ssm", "GetParameter" | "PutParameter":
            yield f"ssm:{call.operation}", f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{given['Name']}", {}
        case "secretsmanager", "GetSecretValue":
            yield "secretsmanager:GetSecretValue", account.secrets[given["SecretId"].rpartition("/")[2][:-7]], {}
            yield "kms:Decrypt", account.key, decrypts("secretsmanager", account)
        case other:
            raise AssertionError(f"{other}: look up which action AWS asks for, and add it here")


def the_ticks(account: Account) -> Iterator[Question]:
    """A tick's calls, what the gates look at, and what the watch has no business with."""
    for call in ticked():
        for action, resource, context in asked(call, account):
            yield may(who=WATCH, action=action, resource=resource, context=context)
    yield may(who=WATCH, action="cloudwatch:GetMetricData", resource="*")
    for action in ("s3:PutObject", "s3:GetObject"):
        yield may_not(who=WATCH, action=action, resource=f"{RECORDS}/deployments/stable.json")
        yield may_not(who=WATCH, action=action, resource=f"{EVIDENCE}/evidence/x")
    for action in ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectRetention"):
        yield may_not(who=WATCH, action=action, resource=f"{RECORDS}/rollout.json")
    yield may_not(who=WATCH, action="s3:ListBucket", resource=EVIDENCE)
    for name, arn in account.secrets.items():
        if name != "SLACK_WEBHOOK_URL":
            yield may_not(who=WATCH, action="secretsmanager:GetSecretValue", resource=arn)
    for context in (
        decrypts("rds", account),
        decrypts("secretsmanager", account, ("alias/other",)),
        decrypts("secretsmanager", account, ()),
        {"kms:ResourceAliases": account.aliases},
    ):
        yield may_not(who=WATCH, action="kms:Decrypt", resource=account.key, context=context)
    others = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:listener/app/others/1/2"
    for action in ("ModifyListener", "AddTags"):
        yield may_not(who=WATCH, action=f"elasticloadbalancing:{action}", resource=others)
    for context in ({"application-autoscaling:service-namespace": "dynamodb"}, {}):
        yield may_not(
            who=WATCH, action="application-autoscaling:RegisterScalableTarget", resource=TARGET, context=context
        )
    yield may_not(who=WATCH, action="ecs:UpdateService", resource=f"{ECS}:service/{NAMES.prefix}/worker")
    yield may_not(who=WATCH, action="ssm:PutParameter", resource=f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/others")
    for action in ("iam:PassRole", "ecs:RunTask", "sts:AssumeRole", "elasticloadbalancing:DeleteListener"):
        yield may_not(who=WATCH, action=action, resource="*")


def the_schedules() -> Iterator[Question]:
    """Starting a tick (EventBridge Scheduler user guide, "Using templated targets"): that task, there, as these."""
    task, cluster = f"{ECS}:task-definition/{FAMILY}:7", f"{ECS}:cluster/{FAMILY}"
    run = partial(Question, who=STARTER, action="ecs:RunTask")
    yield run(resource=task, context={"ecs:cluster": cluster}, allowed=True)
    yield run(resource=task, context={"ecs:cluster": f"{ECS}:cluster/{NAMES.prefix}"}, allowed=False)
    yield run(
        resource=f"{ECS}:task-definition/{NAMES.prefix}-stable:1", context={"ecs:cluster": cluster}, allowed=False
    )
    roles = {"watch": True, "execution": True, "watch-schedule": False, "bastion": False}
    for role, allowed in (*((f"{NAMES.prefix}-{one}", yes) for one, yes in roles.items()), (NAMES.app_role, False)):
        for service in ("ecs-tasks", "ec2"):
            yield Question(
                who=STARTER,
                action="iam:PassRole",
                resource=role_arn(role),
                context={"iam:PassedToService": f"{service}.amazonaws.com"},
                allowed=allowed and service == "ecs-tasks",
            )
    for service, taken_on in (("ecs-tasks", WATCH), ("scheduler", STARTER)):
        for asker in ("ecs-tasks", "scheduler", "events"):
            for account in (ACCOUNT, "999988887777"):
                yield Question(
                    who=Principal(service=f"{asker}.amazonaws.com"),
                    action="sts:AssumeRole",
                    resource=str(taken_on.arn),
                    context={"aws:SourceAccount": account},
                    allowed=(asker, account) == (service, ACCOUNT),
                )
