"""Each security-relevant input of each resource, weakened: a rule catches it, or why none does is written down."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from policy.resources import Stack
from tests.unit.policy import captured
from tests.unit.policy.mutations import judged, page
from tests.unit.policy.neutral import EVERYWHERE, NEUTRAL
from tests.unit.policy.weaknesses import GONE, LET_PASS, WEAK

PAGE = Path(__file__).parents[3] / "docs" / "policy-mutations.md"
LEAST = 80


def stacks() -> list[Stack]:
    return [captured.prod(), captured.canary(), captured.account()]


def test_every_mutation_is_caught_or_listed_with_the_reason() -> None:
    missed = [str(one) for one, rule in judged() if not rule]

    assert len(judged()) >= LEAST
    assert [one for one in missed if not any(fnmatchcase(one, pattern) for pattern in LET_PASS)] == []


def test_what_is_listed_as_not_caught_is_not_caught() -> None:
    both = [
        (str(one), rule) for one, rule in judged() if rule and any(fnmatchcase(str(one), each) for each in LET_PASS)
    ]
    idle = [each for each in LET_PASS if not any(fnmatchcase(str(one), each) for one, _ in judged())]

    assert both == []
    assert idle == []


def test_every_input_of_what_we_declare_is_weakened_or_said_to_be_none_of_security() -> None:
    neither = {
        f"{one.type} {key}"
        for stack in stacks()
        for one in stack.resources
        for key in one.inputs
        if key not in EVERYWHERE and key not in {path.split(".")[0] for path in WEAK.get(one.type, ())}
        if not any(key in inputs for inputs in (types.get(one.type, ()) for types in NEUTRAL.values()))
    }

    assert sorted(neither) == []


def test_the_tables_name_nothing_that_no_stack_has() -> None:
    there = {(one.type, key) for stack in stacks() for one in stack.resources for key in one.inputs}
    named = {(kind, path.split(".")[0]) for kind, paths in WEAK.items() for path in paths}
    named |= {(kind, key) for types in NEUTRAL.values() for kind, keys in types.items() for key in keys}

    assert sorted(named - there) == []
    assert sorted(GONE - {kind for kind, _ in there}) == []


def test_the_page_says_which_rule_caught_which() -> None:
    assert "\n".join(page()) in PAGE.read_text()
