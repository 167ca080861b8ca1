"""What is let stand although a rule is against it: by whom, why, and until when."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from policy.resources import Resource, Stack
from policy.rule import Finding, Rule

FILE = Path(__file__).parent / "exceptions.toml"


class ExceptionsError(ValueError):
    """An entry of the file that says too little. One line."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """One entry. `resource` is a name, and `stacks` a pattern of stacks' names or `runtime:docker`."""

    rule: str
    resource: str
    stacks: str
    reason: str
    owner: str
    expires: date

    def is_of(self, stack: Stack) -> bool:
        """Whether it counts in the stack."""
        kind, _, runtime = self.stacks.partition(":")
        if kind == "runtime":
            return stack.config.get("web-next:runtime") == runtime
        return fnmatchcase(stack.name, self.stacks)

    def covers(self, rule: str, resource: Resource) -> bool:
        """Whether it is about the rule of this id and the resource."""
        return self.rule == rule and self.resource == resource.name


_ENTRY = {field.name for field in fields(Allowance)}


def _nothing(_resource: Resource, _stack: Stack) -> Iterator[str]:
    return iter(())


KEPT = Rule(
    id="exceptions-kept",
    severity="medium",
    about=(),
    covers=(),
    says="An exception is needed, and not past its date",
    todo="mend the resource and take the entry out of policy/exceptions.toml, or have its owner set another date",
    check=_nothing,
)
"""What the exceptions themselves are judged by."""


def read(path: Path = FILE) -> list[Allowance]:
    """The entries of a file. Raises ExceptionsError for one that lacks something or has more."""
    made = []
    for number, entry in enumerate(tomllib.loads(path.read_text())["exception"], 1):
        if {key for key, value in entry.items() if value} != _ENTRY:
            raise ExceptionsError(
                f"{path.name}: entry {number} has {', '.join(entry)}; each has {', '.join(sorted(_ENTRY))}"
            )
        made.append(Allowance(**entry))
    return made


def applied(
    findings: Iterable[Finding], judged: Sequence[tuple[str, Resource]], here: Sequence[Allowance], today: date
) -> tuple[list[Finding], list[tuple[Finding, Allowance]]]:
    """What is left of the findings, with one for each exception that is past its date or that nothing needs any more;
    and what is let stand. `judged` are the ids of rules with the resources that they looked at."""
    left, stands = [], []
    for finding in findings:
        why = next(
            (one for one in here if one.covers(finding.rule.id, finding.resource) and today <= one.expires), None
        )
        if why:
            stands.append((finding, why))
        else:
            left.append(finding)
    needed = [why for _, why in stands]
    for one in here:
        about = next((resource for rule, resource in judged if one.covers(rule, resource)), None)
        if about and today > one.expires:
            left.append(
                Finding(rule=KEPT, resource=about, seen=f"the exception from {one.rule} ended on {one.expires}")
            )
        elif about and one not in needed:
            left.append(Finding(rule=KEPT, resource=about, seen=f"it keeps {one.rule}, and has an exception from it"))
    return left, stands
