"""What the roles of `bootstrap/` amount to, by IAM's own logic: cutover's calls go through, and nothing else does. What
deploys and what looks for drift has test_deployer.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, partial

from bootstrap.roles import OPERATORS, ROLES
from policy.iam import Policy, Principal, Request, decide
from tests.unit.infra.account import Account
from tests.unit.infra.asking import Question
from tests.unit.infra.configs import ACCOUNT, REGION
from tests.unit.infra.deploying import KEY
from tests.unit.infra.lessened import lessened
from tests.unit.infra.operating import (
    BRINGS_UP,
    CHANNEL,
    CHANNEL_KEY,
    DOCKER_PUSHES,
    EVIDENCE,
    FLAGS,
    FLIPS,
    LISTENER,
    LOOKS,
    PUSHES,
    RECORDS,
    REPOSITORY,
    ROLLOUT,
    SERVICE,
    STATE,
    STATE_FILE,
    STATE_KEY,
    TARGET,
    called,
)
from tests.unit.infra.parts import bootstrap
from tests.unit.infra.questions import ALL_RIGHTS, OBJECTS, OUTSIDER, STRANGER

WHO = {name: Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/web-next-{name}", session="ada") for name in ROLES}
FLIPPING = ("on-call", "rollback")
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"
RUNS = {
    "pull_request": "preview",
    "environment:drift": "drift",
    "environment:release": "release",
    "environment:canary": "deploy",
    "environment:production": "deploy",
    "environment:rollback": "rollback",
}
"""Which role each kind of run at GitHub takes on."""
POLICY = "aws:iam/policy:Policy"
APP = Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/web-next-prod")
PEOPLES = ("release", "deploy", "on-call")


def may(who: Principal, action: str, resource: str, **more: object) -> Question:
    return Question(who=who, action=action, resource=resource, allowed=True, **more)  # type: ignore[arg-type]


def may_not(who: Principal, action: str, resource: str, **more: object) -> Question:
    return Question(who=who, action=action, resource=resource, allowed=False, **more)  # type: ignore[arg-type]


def questions() -> Iterator[Question]:
    """What each role that looks, and each that flips, may and may not."""
    for name in ("preview", *FLIPPING):
        who, flips = WHO[name], name in FLIPPING
        yield may(who, "s3:GetObject", STATE_FILE)
        yield may(who, "s3:ListBucket", STATE)
        yield may(who, "kms:Decrypt", KEY, context=STATE_KEY)
        yield from (may(who, *right[:2]) for rights in LOOKS.values() for right in rights)
        for action, resource, context in (right for rights in FLIPS.values() for right in rights):
            yield Question(who=who, action=action, resource=resource, context=context, allowed=flips)
        register = "application-autoscaling:RegisterScalableTarget"
        yield may_not(who, register, TARGET, context={"application-autoscaling:service-namespace": "dynamodb"})
        yield may_not(who, "ecs:UpdateService", SERVICE.replace("web-next-prod", "others"))
        for action in OBJECTS:
            yield may_not(who, action, f"{EVIDENCE}/evidence/run.zip")
        for action in ("s3:PutObject", "s3:DeleteObject"):
            yield may_not(who, action, STATE_FILE)
        yield may_not(who, "s3:DeleteObject", ROLLOUT)
        signs = name == "on-call"
        yield Question(who=who, action="s3:PutObject", resource=f"{RECORDS}/approvals/r/p/devops.json", allowed=signs)
        for key in ("packs/r/t/manifest.json", "deployments/stable.json", "drills/restore.json"):
            yield may_not(who, "s3:PutObject", f"{RECORDS}/{key}")
        for secret in ("AUDIT_DB_URL", "AUDIT_DB_OWNER_URL", "REDIS_URL"):
            yield may_not(who, "secretsmanager:GetSecretValue", CHANNEL.replace("SLACK_WEBHOOK_URL", secret))
        yield may_not(who, "elasticloadbalancing:ModifyListener", LISTENER.replace("web-next-prod", "others"))
        yield may_not(who, "ssm:PutParameter", FLAGS.replace("flags", "other"))
        for context in (
            {"kms:ResourceAliases": ("alias/others",)},
            {**CHANNEL_KEY, "kms:ViaService": f"rds.{REGION}.amazonaws.com"},
            {**CHANNEL_KEY, "kms:ResourceAliases": ("alias/others",)},
            {},
        ):
            yield may_not(who, "kms:Decrypt", KEY, context=context)
        for action in ("ecs:UpdateService", "iam:PassRole", "rds:DeleteDBInstance", "ssm:StartSession", "ecr:PutImage"):
            yield may_not(who, action, "*")


def pushing() -> Iterator[Question]:
    """Whoever releases pushes images into the stacks' repositories, and does nothing else."""
    who = WHO["release"]
    for action, resource, _ in (*DOCKER_PUSHES, *(right for rights in PUSHES.values() for right in rights)):
        yield may(who, action, resource)
        if resource == REPOSITORY:
            yield may_not(who, action, REPOSITORY.replace("web-next-prod", "others"))
    for action in ("ecr:BatchDeleteImage", "ecr:PutImageTagMutability", "ecr:SetRepositoryPolicy"):
        yield may_not(who, action, REPOSITORY)
    yield may_not(who, "s3:GetObject", STATE_FILE)
    yield may_not(who, "s3:GetObject", f"{RECORDS}/rollout.json")
    yield may_not(who, "kms:Decrypt", KEY, context=STATE_KEY)


def taking_on(repository: str = "ours/cutover", others: str = "ours@1/cutover@2") -> Iterator[Question]:
    """Who takes which role on, of the repository as its tokens name it; `others` is as those name it that are not
    trusted."""
    told = {"aud": "sts.amazonaws.com", "sub": f"repo:{repository}:pull_request"}
    ask = partial(Question, who=Principal(federated=GITHUB), action="sts:AssumeRoleWithWebIdentity")
    subjects = {f"repo:{repository}:{run}": role for run, role in RUNS.items()}
    strangers = [
        *(subject.replace("ours", "theirs") for subject in subjects),
        *(subject.replace(repository, others) for subject in subjects),
        f"repo:{repository}:ref:refs/heads/main",
        f"repo:{repository}:environment:other",
    ]
    for name, who in WHO.items():
        for subject in (*subjects, *strangers):
            for audience in ("sts.amazonaws.com", "https://github.com/ours"):
                given = told | {"sub": subject, "aud": audience}
                context = {f"token.actions.githubusercontent.com:{key}": value for key, value in given.items()}
                allowed = subjects.get(subject) == name and audience == told["aud"]
                yield ask(resource=str(who.arn), context=context, allowed=allowed)
                other = Principal(federated=GITHUB.replace("token", "other"))
                yield ask(who=other, resource=str(who.arn), context=context, allowed=False)
        for person, own, let in ((OUTSIDER, ALL_RIGHTS, True), (OUTSIDER, (), False), (STRANGER, ALL_RIGHTS, False)):
            allowed = let and name in PEOPLES
            yield Question(who=person, action="sts:AssumeRole", resource=str(who.arn), own=own, allowed=allowed)


@cache
def asked() -> tuple[Account, list[Question]]:
    return Account.of(bootstrap()), [*questions(), *pushing(), *taking_on()]


def test_each_role_may_what_it_is_for_and_nothing_else() -> None:
    account, everything = asked()

    assert [str(one) for one in everything if not one.holds(account)] == []
    assert len(everything) > 300


def test_runs_of_a_repository_whose_tokens_have_its_ids_take_the_roles_on_and_nobody_who_takes_its_name_does() -> None:
    account = Account.of(bootstrap(repository="ours@1/cutover@2"))
    asked = [*taking_on("ours@1/cutover@2", "ours/cutover"), *taking_on("ours@1/cutover@2", "ours@1/cutover@3")]

    assert [str(one) for one in asked if not one.holds(account)] == []


def test_a_bucket_of_evidence_that_the_account_names_is_the_stacks_as_one_of_the_derived_name_is() -> None:
    declared = bootstrap(evidence_buckets='["spark-evidence-prod"]')
    account = Account.of(declared)
    (most,) = (json.loads(each.inputs["policy"]) for each in declared.of(POLICY) if each.name == "boundary")
    boundary = Policy.of_identity(most)

    for name, allowed in (
        ("spark-evidence-prod", True),
        (f"web-next-prod-evidence-{ACCOUNT}", True),
        ("spark-evidence-test", False),
        ("spark-evidence-prod-2", False),
    ):
        bucket = f"arn:aws:s3:::{name}"
        for action in ("s3:CreateBucket", "s3:PutBucketPolicy", "s3:GetLifecycleConfiguration"):
            assert Question(who=WHO["deploy"], action=action, resource=bucket, allowed=allowed).holds(account), name
        for who, action in ((WHO["deploy"], "s3:DeleteObjectVersion"), (WHO["deploy"], "s3:GetObject")):
            assert Question(who=who, action=action, resource=f"{bucket}/evidence/x", allowed=allowed).holds(account)
        puts = Request(
            principal=APP, action="s3:PutObject", resource=f"{bucket}/evidence/x", owner=ACCOUNT, secure=True
        )
        assert decide(puts, [boundary], None).allowed is allowed


def test_a_policy_with_an_action_a_resource_or_a_condition_less_turns_an_answer() -> None:
    account, everything = asked()
    own = [f"RolePolicy {name}" for name in ("preview", "release", *FLIPPING)] + [f"Role {name}" for name in ROLES]
    cases = [
        (name, what, account.with_(name, less)) for name in own for what, less in lessened(account.documents[name])
    ]

    assert [f"{name}: {what}" for name, what, less in cases if all(one.holds(less) for one in everything)] == []
    assert len(cases) > 120


def test_every_call_that_stands_in_cutover_is_one_that_a_role_is_asked_about() -> None:
    known = LOOKS.keys() | FLIPS.keys() | PUSHES.keys() | BRINGS_UP.keys()

    assert {method for _, method in called()} == known


def test_outputs_name_each_role_and_those_that_operate() -> None:
    outputs = bootstrap().outputs

    assert outputs["roles"] == {name: who.arn for name, who in WHO.items()}
    assert outputs["operators"] == [WHO[name].arn for name in OPERATORS]
    for name in ("preview", "release"):
        reads = json.dumps(asked()[0].documents[f"RolePolicy {name}"])
        assert "GetSecretValue" not in reads
        assert name not in OPERATORS
