"""A rule's cases: how a stack of ours would have to change to break it, and what it cannot be told without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policy.resources import Stack
from tests.unit.policy import captured
from tests.unit.policy.changes import Change


@dataclass(frozen=True, kw_only=True)
class Case:
    """`bad` are changes that the rule of this id finds, `unknown` one that leaves it unchecked, of `at`, a name; and
    `good` are some that it lets pass."""

    rule: str
    at: str
    bad: Sequence[Change]
    unknown: Change
    good: Sequence[Change] = ()
    stack: Callable[[], Stack] = captured.prod
