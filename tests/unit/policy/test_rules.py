"""Every rule: what it lets pass, what it finds, and what it cannot be told without."""

from __future__ import annotations

from collections import Counter

import pytest

from policy.rule import Finding, Rule, Unchecked
from policy.rules import ALL, AREAS
from tests.unit.policy import captured, cases_data, cases_edge, cases_network, cases_roles, cases_running
from tests.unit.policy.captured import OWN
from tests.unit.policy.case import Case
from tests.unit.policy.changes import Change, put

CASES = [
    *cases_data.CASES,
    *cases_roles.CASES,
    *cases_network.CASES,
    *cases_running.CASES,
    *cases_edge.CASES,
]
RULES = {one.id: one for one in ALL}
EACH = pytest.mark.parametrize("case", CASES, ids=[f"{one.rule} {one.at}" for one in CASES])


def said(rule: Rule, case: Case, kind: type, change: Change) -> list[str]:
    return [one.resource.name for one in rule.judge(change(case.stack())) if isinstance(one, kind)]


@EACH
def test_a_stack_of_ours_keeps_the_rule(case: Case) -> None:
    stack, rule = case.stack(), RULES[case.rule]

    assert case.at in [one.name for one in stack.of(*rule.about)]
    if case.rule != "containers-unprivileged":  # policy/exceptions.toml
        assert list(rule.judge(stack)) == []


@pytest.mark.parametrize("case", [one for one in CASES if one.good], ids=lambda one: f"{one.rule} {one.at}")
def test_a_change_that_is_as_good_is_not_found(case: Case) -> None:
    assert [said(RULES[case.rule], case, Finding, change) for change in case.good] == [[] for _ in case.good]


@EACH
def test_each_bad_change_of_our_program_is_found(case: Case) -> None:
    missed = []
    for number, change in enumerate(case.bad):
        if case.at not in said(RULES[case.rule], case, Finding, change):
            missed.append(number)

    assert missed == []


@EACH
def test_what_is_not_known_is_unchecked_and_never_passed(case: Case) -> None:
    assert case.at in said(RULES[case.rule], case, Unchecked, case.unknown)


@pytest.mark.parametrize(
    ("where", "path", "value", "rule"),
    [
        ("BucketPolicy evidence", "policy", "no JSON", "s3-tls-only"),
        ("BucketPolicy evidence", "policy", '{"Version": "2008-10-17", "Statement": []}', "s3-tls-only"),
        ("TaskDefinition stable", "containerDefinitions", "[7]", "containers-by-digest"),
        ("ParameterGroup audit", "parameters", ["text"], "rds-tls-forced"),
    ],
)
def test_what_a_rule_cannot_read_is_a_finding(where: str, path: str, value: object, rule: str) -> None:
    told = list(RULES[rule].judge(put(where, path, value)(captured.prod())))

    assert [one for one in told if isinstance(one, Finding) and one.seen.startswith("it cannot be read: ")]


def test_every_rule_has_its_cases() -> None:
    """Good, bad and unknown: a case has all three."""
    has = Counter(one.rule for one in CASES)

    assert [one.id for one in ALL if not has[one.id]] == []
    assert [one for one in has if one not in RULES] == []
    assert [f"{one.rule} {one.at}" for one in CASES if not one.bad] == []


def test_every_rule_looks_at_something_of_our_own() -> None:
    """A type that nothing has any more makes a rule pass in silence."""
    assert [one.id for one in ALL if not any(list(stack().of(*one.about)) for stack in OWN)] == []


def test_a_rule_says_what_holds_and_what_to_do_in_a_line_each() -> None:
    for one in ALL:
        for text in (one.says, one.todo):
            assert text, one.id
            assert "\n" not in text, one.id
            assert len(text) <= 140, one.id
            assert not text.endswith("."), one.id


def test_the_id_of_a_rule_begins_with_its_area_and_is_its_own() -> None:
    assert max(Counter(one.id for one in ALL).values()) == 1
    for area in AREAS:
        ids = [one.id for one in vars(area).values() if isinstance(one, Rule)]
        assert ids, area.__name__
        assert [one for one in ids if not one.startswith(area.__name__.rpartition(".")[2])] == []
