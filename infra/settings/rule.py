"""Rules between settings: each knows the keys without which it cannot be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from infra.settings.keys import Settings

Find = Callable[[Settings, str], Iterator[str]]
"""A rule: the clauses of what breaks it in a stack of that name."""


class Rule(NamedTuple):
    """`needs` are the paths of the keys without which the rule cannot be judged."""

    needs: frozenset[str]
    find: Find


class Rules(list[Rule]):
    """Rules in the order in which they are written."""

    def needs(self, *keys: str) -> Callable[[Find], Find]:
        """Take a rule that cannot be judged without the keys of these paths."""

        def register(find: Find) -> Find:
            self.append(Rule(frozenset(keys), find))
            return find

        return register

    def broken(self, settings: Settings, stack: str, wrong: frozenset[str]) -> list[str]:
        """Every broken rule as a clause. `wrong` are paths whose values are wrong by themselves: rules that need one
        of them, or what is in it or around it, are left out."""
        return [
            clause
            for needs, find in self
            if not any(_within(need, path) or _within(path, need) for need in needs for path in wrong)
            for clause in find(settings, stack)
        ]


def _within(path: str, other: str) -> bool:
    return f"{path}.".startswith(f"{other}.")
