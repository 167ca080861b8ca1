"""What the policies of prod amount to, by IAM's own logic; and that no part of them is there for nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from policy.iam import Policy
from tests.support import aws_calls
from tests.unit.infra.account import MANAGED, Account, Document, named, written
from tests.unit.infra.configs import DOCKER, FARGATE, changed
from tests.unit.infra.parts import run
from tests.unit.infra.questions import Question, environments, questions
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


def lessened(document: Document) -> Iterator[tuple[str, Document]]:
    """The document with one thing less: an action, a resource, a value of a condition or the whole of one."""
    for index, statement in enumerate(document["Statement"]):
        sid = statement.get("Sid", index)
        for element in ("Action", "Resource"):
            for value in as_list(statement.get(element)):
                left = [one for one in as_list(statement[element]) if one != value]
                yield (
                    f"{sid} without {value}",
                    with_statement(document, index, {**statement, element: left} if left else None),
                )
        for operator, keys in statement.get("Condition", {}).items():
            for key, values in keys.items():
                for less in ([one for one in as_list(values) if one != value] for value in as_list(values)):
                    condition = copy.deepcopy(statement["Condition"])
                    condition[operator][key] = less
                    if not less:
                        del condition[operator][key]
                    yield (
                        f"{sid} with {operator} {key} {less}",
                        with_statement(document, index, {**statement, "Condition": condition}),
                    )


def with_statement(document: Document, index: int, statement: dict[str, Any] | None) -> Document:
    """The document with another statement in this place, or none."""
    statements = document["Statement"]
    there = [statement] if statement else []
    return {**document, "Statement": [*statements[:index], *there, *statements[index + 1 :]]}


def as_list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


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
