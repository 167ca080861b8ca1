"""What the policies of prod amount to, by IAM's own logic; and that no part of them is there for nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache, partial

import pytest

from policy.iam import Policy
from tests.support import aws_calls
from tests.unit.infra.account import MANAGED, Account, named, role_arn, written
from tests.unit.infra.asking import Question
from tests.unit.infra.configs import ACCOUNT, DOCKER, FARGATE, NAMES, REGION, changed, without
from tests.unit.infra.lessened import lessened
from tests.unit.infra.parts import run
from tests.unit.infra.questions import ALL_RIGHTS, APP, OBJECTS, environments, may_not, questions
from tests.unit.infra.recorder import Recording

PROD = changed(
    FARGATE,
    database={"access": "tunnel"},
    executorAuth="bearer",
    telemetry={"endpoint": "https://otel.web-next.test", "headers": True},
)
BOUNDARY = "Policy boundary"
KEPT = {"Key", BOUNDARY, *MANAGED}
"""AWS' own documents, which nobody here can change, and bootstrap's."""


@cache
def prod() -> tuple[Recording, Account, list[Question]]:
    declared = run(PROD)
    account = Account.of(declared)
    return declared, account, questions(account, declared)


def test_prod_answers_each_question_as_it_must() -> None:
    _, account, asked = prod()

    assert [str(one) for one in asked if not one.holds(account)] == []
    assert len(asked) > 200


def test_so_does_a_prod_that_shows_nobody_a_secret() -> None:
    declared = run(without(PROD, "executorAuth", "telemetry"))
    account = Account.of(declared)
    asked = questions(account, declared)

    assert [str(one) for one in asked if not one.holds(account)] == []
    assert {found[0] for one in asked if (found := re.search("EXECUTOR_TOKEN|OTLP_HEADERS", one.resource))} == {
        "EXECUTOR_TOKEN",
        "OTLP_HEADERS",
    }


def test_every_policy_that_is_declared_is_judged() -> None:
    declared, account, _ = prod()
    there = {named(one) for one in declared.registered for _ in written(one)}

    assert account.documents.keys() - KEPT == there
    used = {name for names in account.of_role.values() for name in names} | set(account.of_resource.values())
    assert used | set(account.boundaries.values()) == there | KEPT
    assert account.boundaries.keys() == account.of_role.keys()


@pytest.mark.parametrize("config", [PROD, DOCKER], ids=["prod", "a docker stack"])
def test_each_policy_has_what_the_evaluator_knows_and_nothing_else(config: dict[str, str]) -> None:
    for one in run(config).registered:
        for document in written(one):
            by_whom = "Principal" in document["Statement"][0]
            assert (Policy.of_resource if by_whom else Policy.of_identity)(document).statements


def test_every_call_that_stands_in_the_service_is_made() -> None:
    calls = aws_calls.made(environments(prod()[0])["stable"])

    assert [site for site in aws_calls.standing() if not any(map(site.makes, calls))] == []
    assert len(aws_calls.standing()) >= 12


def test_a_policy_with_an_action_a_resource_or_a_condition_less_turns_an_answer() -> None:
    _, whole, everything = prod()
    account = replace(whole, boundaries={})  # which holds back what a condition less would let through
    asked = [one for one in everything if one.holds(account)]  # so that none that is wrong anyway hides another
    cases = [
        (name, what, account.with_(name, less))
        for name, document in account.documents.items()
        if name not in KEPT
        for what, less in lessened(document)
    ]

    assert [f"{name}: {what}" for name, what, less in cases if all(one.holds(less) for one in asked)] == []
    assert len(cases) > 60


def test_the_boundary_has_what_the_roles_of_a_stack_need_and_no_more() -> None:
    _, account, everything = prod()
    asked = [one for one in everything if one.holds(account)]
    cases = [(what, less) for what, less in lessened(account.documents[BOUNDARY]) if " without " in what]

    for what, less in cases:
        assert not all(one.holds(account.with_(BOUNDARY, less)) for one in asked), what
    assert len(cases) > 50


def test_with_every_right_a_role_of_a_stack_has_what_the_boundary_lets_it() -> None:
    _, account, _ = prod()
    ask = partial(may_not, who=APP, own=ALL_RIGHTS)
    state, own = f"arn:aws:s3:::web-next-state-{ACCOUNT}/.pulumi/stacks/web-next/prod.json", role_arn("web-next-deploy")
    beyond = [
        *(ask(action=f"iam:{one}", resource=own) for one in ("PassRole", "PutRolePolicy", "AttachRolePolicy")),
        *(ask(action=f"iam:{one}", resource=role_arn(f"{NAMES.prefix}-x")) for one in ("CreateRole", "PassRole")),
        ask(action="sts:AssumeRole", resource=own),
        *(ask(action=action, resource=state) for action in OBJECTS),
        ask(action="kms:Decrypt", resource=account.key, context={"kms:ViaService": f"rds.{REGION}.amazonaws.com"}),
        ask(action="ecs:RunTask", resource=f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/others:1"),
        ask(action="rds:DeleteDBInstance", resource=f"arn:aws:rds:{REGION}:{ACCOUNT}:db:{NAMES.prefix}-audit"),
    ]

    assert [str(one) for one in beyond if not one.holds(account)] == []
