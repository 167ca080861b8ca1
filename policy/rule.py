"""A rule: what must hold of each resource of a type, and what is said where it does not, or cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from policy.iam import PolicyError
from policy.resources import NotKnownError, Resource, Stack

Severity = Literal["high", "medium", "low"]
Check = Callable[[Resource, Stack], Iterator[str]]
"""What is wrong with a resource, one text each: the value that is seen, and where."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A rule that a resource breaks: the value seen, the rule, the way out."""

    rule: Rule
    resource: Resource
    seen: str

    def __str__(self) -> str:
        return f"{self.resource.name}: {self.seen}; {self.rule.sentence}: {self.rule.todo}"


@dataclass(frozen=True, kw_only=True)
class Unchecked:
    """A rule that cannot be told of a resource, because the property `path` of `of` is not known."""

    rule: Rule
    resource: Resource
    of: Resource
    path: str

    def __str__(self) -> str:
        return (
            f"{self.resource.name}: {self.path} of {self.of.name} is not known yet; unchecked is whether "
            f"{self.rule.sentence}: run cutover policy when it is up"
        )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`says` is what must hold, `todo` what to do where it does not, one line each. `covers` are the controls of AWS
    Foundational Security Best Practices and of CIS that it answers for. `about` are the types that it looks at."""

    id: str
    severity: Severity
    about: Sequence[str]
    covers: Sequence[str]
    says: str
    todo: str
    check: Check

    @property
    def sentence(self) -> str:
        """`says` within another sentence."""
        return self.says if self.says[1].isupper() else self.says[0].lower() + self.says[1:]

    def judge(self, stack: Stack) -> Iterator[Finding | Unchecked]:
        """What the rule has to say of a stack. Whatever a check asks for and is not known makes it Unchecked, and what
        it cannot read is a finding."""
        for resource in stack.of(*self.about):
            try:
                for seen in self.check(resource, stack):
                    yield Finding(rule=self, resource=resource, seen=seen)
            except (AttributeError, LookupError, TypeError, ValueError) as error:  # as no resource of AWS looks
                why = str(error) if isinstance(error, PolicyError) else type(error).__name__
                yield Finding(rule=self, resource=resource, seen=f"it cannot be read: {why}")
            except NotKnownError as unknown:
                yield Unchecked(rule=self, resource=resource, of=unknown.resource, path=unknown.path)


def rule(name: str, *about: str, severity: Severity, covers: Sequence[str] = (), todo: str) -> Callable[[Check], Rule]:
    """Makes a check a rule. The check's docstring, of one line, is what must hold."""

    def made(check: Check) -> Rule:
        says = (check.__doc__ or "").strip().rstrip(".")
        return Rule(id=name, severity=severity, about=about, covers=covers, says=says, todo=todo, check=check)

    return made
