"""What the roles of `bootstrap/` amount to, by IAM's own logic: cutover's calls go through, and nothing else does."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

import pytest

from infra.naming import Names
from policy.iam import Principal
from tests.unit.infra.account import Account, Document
from tests.unit.infra.asking import Question
from tests.unit.infra.configs import ACCOUNT, REGION
from tests.unit.infra.lessened import lessened
from tests.unit.infra.parts import bootstrap
from tests.unit.infra.questions import ALL_RIGHTS, OBJECTS, OUTSIDER, STRANGER

CUTOVER = Path(__file__).parents[3] / "cutover"
PROD = Names(stack="prod", account=ACCOUNT, region=REGION)
PREVIEW, ON_CALL = (
    Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/web-next-{name}", session="ada") for name in ("preview", "on-call")
)
STATE, RECORDS, EVIDENCE = (
    f"arn:aws:s3:::{name}" for name in (f"web-next-state-{ACCOUNT}", PROD.bucket("records"), PROD.bucket("evidence"))
)
LISTENER = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:listener/app/{PROD.prefix}/1/2"
FLAGS = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{PROD.flags_parameters.candidate}"
SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{PROD.vault_prefix}"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/state"
STATE_KEY = {"kms:ResourceAliases": ("alias/web-next-state",)}
CHANNEL_KEY = {
    "kms:ResourceAliases": (PROD.key_alias,),
    "kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com",
}
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
LOOKS = {
    "describe_listeners": ("elasticloadbalancing:DescribeListeners", "*"),
    "describe_rules": ("elasticloadbalancing:DescribeRules", "*"),
    "describe_tags": ("elasticloadbalancing:DescribeTags", "*"),
    "get_metric_data": ("cloudwatch:GetMetricData", "*"),
    "get_object": ("s3:GetObject", f"{RECORDS}/rollout.json"),
    "get_object of a version": ("s3:GetObjectVersion", f"{RECORDS}/rollout.json"),
    "list_objects_v2": ("s3:ListBucket", RECORDS),
    "list_object_versions": ("s3:ListBucketVersions", RECORDS),
}
SERVICE = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{PROD.prefix}/candidate"
TARGET = f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/1234abcd"
IN_ECS = {"application-autoscaling:service-namespace": "ecs"}
FLIPS = {
    "describe_scalable_targets": ("application-autoscaling:DescribeScalableTargets", "*"),
    "describe_services": ("ecs:DescribeServices", SERVICE),
    "update_service": ("ecs:UpdateService", SERVICE),
    "modify_listener": ("elasticloadbalancing:ModifyListener", LISTENER),
    "add_tags": ("elasticloadbalancing:AddTags", LISTENER),
    "get_parameter": ("ssm:GetParameter", FLAGS),
    "put_parameter": ("ssm:PutParameter", FLAGS),
    "put_object": ("s3:PutObject", f"{RECORDS}/rollout.json"),
    "get_secret_value": ("secretsmanager:GetSecretValue", f"{SECRETS}SLACK_WEBHOOK_URL-a1B2c3"),
}
"""The calls of a rollback and of `cutover traffic`, by the right that each needs and what it is about."""


def may(who: Principal, action: str, resource: str, **more: object) -> Question:
    return Question(who=who, action=action, resource=resource, allowed=True, **more)  # type: ignore[arg-type]


def may_not(who: Principal, action: str, resource: str, **more: object) -> Question:
    return Question(who=who, action=action, resource=resource, allowed=False, **more)  # type: ignore[arg-type]


def questions() -> Iterator[Question]:
    """What each role may and may not."""
    for who in (PREVIEW, ON_CALL):
        yield may(who, "s3:GetObject", f"{STATE}/.pulumi/stacks/web-next/prod.json")
        yield may(who, "s3:ListBucket", STATE)
        yield may(who, "kms:Decrypt", KEY, context=STATE_KEY)
        yield from (may(who, *look) for look in LOOKS.values())
        yield from (Question(who=who, action=a, resource=r, allowed=who is ON_CALL) for a, r in FLIPS.values())
        yield Question(who=who, action="kms:Decrypt", resource=KEY, context=CHANNEL_KEY, allowed=who is ON_CALL)
        register = "application-autoscaling:RegisterScalableTarget"
        yield Question(who=who, action=register, resource=TARGET, context=IN_ECS, allowed=who is ON_CALL)
        yield may_not(who, register, TARGET, context={"application-autoscaling:service-namespace": "dynamodb"})
        yield may_not(who, "ecs:UpdateService", SERVICE.replace(PROD.prefix, "others"))
        for action in OBJECTS:
            yield may_not(who, action, f"{EVIDENCE}/evidence/run.zip")
        for action in ("s3:PutObject", "s3:DeleteObject"):
            yield may_not(who, action, f"{STATE}/.pulumi/stacks/web-next/prod.json")
        yield may_not(who, "s3:DeleteObject", f"{RECORDS}/rollout.json")
        for secret in ("AUDIT_DB_URL", "AUDIT_DB_OWNER_URL", "REDIS_URL"):
            yield may_not(who, "secretsmanager:GetSecretValue", f"{SECRETS}{secret}-a1B2c3")
        yield may_not(who, "elasticloadbalancing:ModifyListener", LISTENER.replace(PROD.prefix, "others"))
        yield may_not(who, "ssm:PutParameter", FLAGS.replace("flags", "other"))
        for context in (
            {"kms:ResourceAliases": ("alias/others",)},
            {**CHANNEL_KEY, "kms:ViaService": f"rds.{REGION}.amazonaws.com"},
            {**CHANNEL_KEY, "kms:ResourceAliases": ("alias/others",)},
            {},
        ):
            yield may_not(who, "kms:Decrypt", KEY, context=context)
        for action in ("ecs:UpdateService", "iam:PassRole", "rds:DeleteDBInstance", "ssm:StartSession"):
            yield may_not(who, action, "*")


def taking_on() -> Iterator[Question]:
    """Who takes which role on."""
    told = {"aud": "sts.amazonaws.com", "sub": "repo:ours/cutover:pull_request"}
    ask = partial(Question, who=Principal(federated=GITHUB), action="sts:AssumeRoleWithWebIdentity")
    for changed, allowed in (
        ({}, True),
        ({"sub": "repo:theirs/cutover:pull_request"}, False),
        ({"sub": "repo:ours/cutover:ref:refs/heads/main"}, False),
        ({"aud": "https://github.com/ours"}, False),
    ):
        context = {f"token.actions.githubusercontent.com:{name}": value for name, value in (told | changed).items()}
        yield ask(resource=str(PREVIEW.arn), context=context, allowed=allowed)
        yield ask(resource=str(ON_CALL.arn), context=context, allowed=False)
        other = Principal(federated=GITHUB.replace("token", "other"))
        yield ask(who=other, resource=str(PREVIEW.arn), context=context, allowed=False)
    for who, own, allowed in ((OUTSIDER, ALL_RIGHTS, True), (OUTSIDER, (), False), (STRANGER, ALL_RIGHTS, False)):
        yield Question(who=who, action="sts:AssumeRole", resource=str(ON_CALL.arn), own=own, allowed=allowed)
        yield Question(who=who, action="sts:AssumeRole", resource=str(PREVIEW.arn), own=own, allowed=False)


@cache
def asked() -> tuple[Account, list[Question]]:
    return Account.of(bootstrap()), [*questions(), *taking_on()]


def test_each_role_may_what_it_is_for_and_nothing_else() -> None:
    account, everything = asked()

    assert [str(one) for one in everything if not one.holds(account)] == []
    assert len(everything) > 70


def test_a_policy_with_an_action_a_resource_or_a_condition_less_turns_an_answer() -> None:
    account, everything = asked()
    own = {name: document for name, document in account.documents.items() if name.startswith(("Role", "RolePolicy"))}
    cases = [(name, what, account.with_(name, less)) for name, one in own.items() for what, less in lessened(one)]

    assert [f"{name}: {what}" for name, what, less in cases if all(one.holds(less) for one in everything)] == []
    assert len(cases) > 40


def calls(module: Path) -> set[str]:
    """The operations of AWS that a module asks for: methods of its client, and the names that its own `_call` takes."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of = ast.unparse(node.func.value)
        if of in ("self.client", "vault") and node.func.attr != "get_paginator":
            found.add(node.func.attr)
        elif node.func.attr in ("_call", "get_paginator"):
            found.add(ast.literal_eval(node.args[0]))
    return found


@pytest.mark.parametrize(
    "module", ["traffic/fargate.py", "rollout/flags.py", "evidence/bucket.py", "schema/secrets.py", "cloudwatch.py"]
)
def test_every_call_of_what_flips_and_reads_is_among_those(module: str) -> None:
    made = calls(CUTOVER / module)

    assert made
    assert made - LOOKS.keys() - FLIPS.keys() == set()


def test_nobody_is_given_a_right_over_everything_but_to_look_at_load_balancers_and_figures() -> None:
    document: Document
    for name, document in asked()[0].documents.items():
        if name.startswith("RolePolicy"):
            for statement in document["Statement"]:
                assert not any("*" in action for action in statement["Action"]), json.dumps(statement)
                assert (statement["Resource"] == "*") == (statement["Sid"] in ("Split", "Figures", "Targets"))
