"""What the policies of prod amount to, by IAM's own logic; and that no part of them is there for nothing."""

from __future__ import annotations

from functools import cache

import pytest

from policy.iam import Policy
from tests.support import aws_calls
from tests.unit.infra.account import MANAGED, Account, named, written
from tests.unit.infra.asking import Question
from tests.unit.infra.configs import DOCKER, FARGATE, changed
from tests.unit.infra.lessened import lessened
from tests.unit.infra.parts import run
from tests.unit.infra.questions import environments, questions
from tests.unit.infra.recorder import Recording

PROD = changed(FARGATE, database={"access": "tunnel"})
KEPT = {"Key", *MANAGED}
"""AWS' own documents, which nobody here can change."""


@cache
def prod() -> tuple[Recording, Account, list[Question]]:
    declared = run(PROD)
    account = Account.of(declared)
    return declared, account, questions(account, declared)


def test_prod_answers_each_question_as_it_must() -> None:
    _, account, asked = prod()

    assert [str(one) for one in asked if not one.holds(account)] == []
    assert len(asked) > 200


def test_every_policy_that_is_declared_is_judged() -> None:
    declared, account, _ = prod()
    there = {named(one) for one in declared.registered for _ in written(one)}

    assert account.documents.keys() - KEPT == there
    used = {name for names in account.of_role.values() for name in names} | set(account.of_resource.values())
    assert used == there | KEPT


@pytest.mark.parametrize("config", [PROD, DOCKER], ids=["prod", "a docker stack"])
def test_each_policy_has_what_the_evaluator_knows_and_nothing_else(config: dict[str, str]) -> None:
    for one in run(config).registered:
        for document in written(one):
            by_whom = "Principal" in document["Statement"][0]
            assert (Policy.of_resource if by_whom else Policy.of_identity)(document).statements


def test_every_call_that_stands_in_the_service_is_made() -> None:
    calls = aws_calls.made(environments(prod()[0])["stable"])

    assert [site for site in aws_calls.standing() if not any(map(site.makes, calls))] == []
    assert len(aws_calls.standing()) >= 15


def test_a_policy_with_an_action_a_resource_or_a_condition_less_turns_an_answer() -> None:
    _, account, everything = prod()
    asked = [one for one in everything if one.holds(account)]  # so that none that is wrong anyway hides another
    cases = [
        (name, what, account.with_(name, less))
        for name, document in account.documents.items()
        if name not in KEPT
        for what, less in lessened(document)
    ]

    assert [f"{name}: {what}" for name, what, less in cases if all(one.holds(less) for one in asked)] == []
    assert len(cases) > 60
