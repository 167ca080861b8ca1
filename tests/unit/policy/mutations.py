"""Our stacks with one input weaker each: what tests/unit/policy/weaknesses.py says of a type, at each resource of it.

`python -m pytest tests/unit/policy/test_mutations.py` holds docs/policy-mutations.md to it: which rule caught which.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from policy.resources import Resource, Stack
from policy.rule import Finding, Rule
from policy.rules import ALL
from tests.unit.policy import captured
from tests.unit.policy.ways import ABSENT
from tests.unit.policy.weaknesses import GONE, LET_PASS, WEAK


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """A stack in which a resource has `path` weakened in the way that `how` names."""

    kind: str
    name: str
    path: str
    how: str
    make: Callable[[], Stack]

    def caught_by(self, rules: Sequence[Rule] = ALL) -> str | None:
        """The id of the first rule that has something against it."""
        stack = self.make()
        return next((one.id for one in rules if any(isinstance(said, Finding) for said in one.judge(stack))), None)

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.path} {self.how}".replace("  ", " ")


def of(stack: Stack) -> Iterator[Mutation]:
    """Each mutation of a stack: every resource of a type in the table, every place of an input, every way."""
    for one in stack.resources:
        kind = one.type.rpartition(":")[2]
        if one.type in GONE:
            yield Mutation(kind=kind, name=one.name, path="", how="gone", make=_without(stack, one))
        for pattern, ways in WEAK.get(one.type, {}).items():
            for path, value in _places(one.inputs, pattern.split(".")):
                for way in ways:
                    for how, weaker in way(value):
                        shown = ".".join(path)
                        yield Mutation(
                            kind=kind, name=one.name, path=shown, how=how, make=_with(stack, one, path, weaker)
                        )


def _places(value: Any, pattern: list[str], way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not pattern:
        yield way, value
    elif pattern[0] == "*":
        for index, inner in enumerate(value):
            yield from _places(inner, pattern[1:], (*way, str(index)))
    elif isinstance(value, Mapping) and pattern[0] in value:
        yield from _places(value[pattern[0]], pattern[1:], (*way, pattern[0]))


def _without(stack: Stack, one: Resource) -> Callable[[], Stack]:
    return lambda: replace(stack, resources=[each for each in stack.resources if each is not one])


def _with(stack: Stack, one: Resource, path: tuple[str, ...], value: Any) -> Callable[[], Stack]:
    def make() -> Stack:
        inputs: Any = copy.deepcopy(dict(one.inputs))
        place = inputs
        for step in path[:-1]:
            place = place[int(step) if isinstance(place, list) else step]
        last: Any = int(path[-1]) if isinstance(place, list) else path[-1]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
        new = replace(one, inputs=inputs, refers={key: urns for key, urns in one.refers.items() if key != path[0]})
        return replace(stack, resources=[new if each is one else each for each in stack.resources])

    return make


@cache
def judged() -> Sequence[tuple[Mutation, str | None]]:
    """Every mutation of prod, canary and the account, with the rule that caught it."""
    stacks = (captured.prod(), captured.canary(), captured.account())
    return [(one, one.caught_by()) for stack in stacks for one in of(stack)]


def page() -> Iterator[str]:
    """The lines of the page's tables."""
    rows: dict[str, list[str]] = {}
    for one, rule in judged():
        if rule:
            rows.setdefault(f"{one.kind} | {re.sub('[.][0-9]+', '', one.path) or 'the whole'}", []).append(rule)
    yield "| Type | What is dropped or weakened | Mutations | Caught by |"
    yield "|---|---|---|---|"
    for row, rules in sorted(rows.items()):
        yield f"| {row} | {len(rules)} | {', '.join(f'`{each}`' for each in sorted(set(rules)))} |"
    yield ""
    yield "| What no rule catches | Mutations | Why |"
    yield "|---|---|---|"
    for pattern, why in LET_PASS.items():
        passed = [one for one, rule in judged() if not rule and fnmatchcase(str(one), pattern)]
        yield f"| `{pattern}` | {len(passed)} | {why} |"
