"""What is let stand although a rule is against it: by whom, why, and until when."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from policy.resources import Resource, Stack
from policy.rule import Finding, Rule
from policy.rules import ALL

FILE = Path(__file__).parent / "exceptions.toml"


class ExceptionsError(ValueError):
    """An entry of the file that says too little. One line."""


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """One entry. `resource` is a name, `excuses` what findings say of it word by word, and `stacks` a pattern of
    stacks' names or `runtime:docker`."""

    rule: str
    resource: str
    excuses: list[str]
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

    def is_about(self, rule: str, resource: Resource) -> bool:
        """Whether it is about the rule of this id and the resource."""
        return self.rule == rule and self.resource == resource.name

    def covers(self, finding: Finding) -> bool:
        """Whether it names what is found."""
        return self.is_about(finding.rule.id, finding.resource) and finding.seen in self.excuses


LONGEST = 366
"""Days until an exception ends, at most."""
_ENTRY = {field.name for field in fields(Allowance)}
_RUNTIMES = ("runtime:docker", "runtime:fargate")


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


def itself(stack: Stack) -> Resource:
    """What stands for the whole stack, where a finding is about no one resource."""
    return next(iter(stack.of("pulumi:pulumi:Stack")), stack.resources[0])


def read(path: Path = FILE) -> list[Allowance]:
    """The entries of a file. Raises ExceptionsError for one that lacks something, has more, or that nothing could be
    meant by; ValueError for a file that is no TOML."""
    told = tomllib.loads(path.read_text())
    entries = told.pop("exception", [])
    if told or not isinstance(entries, list):
        raise ExceptionsError(
            f"{path.name} has {', '.join(told) or '[exception]'}; it has a list of [[exception]] alone"
        )
    made: list[Allowance] = []
    for number, entry in enumerate(entries, 1):
        if wrong := _wrong(entry):
            raise ExceptionsError(f"{path.name}: entry {number} has {wrong}")
        one = Allowance(**entry)
        if any((one.rule, one.resource, one.stacks) == (each.rule, each.resource, each.stacks) for each in made):
            raise ExceptionsError(
                f"{path.name}: entry {number} has {one.rule} of {one.resource} once more; one entry says until when"
            )
        made.append(one)
    return made


def _wrong(entry: Mapping[str, object]) -> str | None:
    if entry.keys() != _ENTRY:
        return f"{', '.join(entry)}; each has {', '.join(sorted(_ENTRY))}"
    for key, value in entry.items():
        if key == "expires":
            if type(value) is not date:
                return f"expires = {str(value)!r}; it is a day, such as 2027-01-31, without quotes"
        elif key == "excuses":
            if not isinstance(value, list) or not value or not all(isinstance(one, str) and one for one in value):
                return f"excuses = {value!r}; it is a list of what a finding says, word by word"
        elif not isinstance(value, str) or not value.strip() or not value.isprintable():
            return f"{key} = {value!r}; it is one line that says something"
    if entry["rule"] not in {one.id for one in ALL}:
        return f"rule = {entry['rule']!r}; name a rule of docs/policy.md"
    if ":" in (stacks := str(entry["stacks"])) and stacks not in _RUNTIMES:
        return f"stacks = {stacks!r}; name stacks, or one of {', '.join(_RUNTIMES)}"
    return None


def applied(
    findings: Iterable[Finding],
    judged: Sequence[tuple[str, Resource]],
    here: Sequence[Allowance],
    stack: Stack,
    today: date,
) -> tuple[list[Finding], list[tuple[Finding, Allowance]]]:
    """What is left of the findings, with one for each exception that is past its date, further off than a year, or that
    nothing needs; and what is let stand. `judged` are the ids of rules with the resources that they looked at."""
    left, stands = [], []
    for finding in findings:
        why = next((one for one in here if one.covers(finding) and today <= one.expires), None)
        if why:
            stands.append((finding, why))
        else:
            left.append(finding)
    needed = [why for _, why in stands]
    excused = {(id(why), finding.seen) for finding, why in stands}
    for one in here:
        about = next((resource for rule, resource in judged if one.is_about(rule, resource)), None)
        if about and today > one.expires:
            left.append(
                Finding(rule=KEPT, resource=about, seen=f"the exception from {one.rule} ended on {one.expires}")
            )
        elif about and one not in needed:
            left.append(Finding(rule=KEPT, resource=about, seen=f"it keeps {one.rule}, and has an exception from it"))
        elif about and (idle := [seen for seen in one.excuses if (id(one), seen) not in excused]):
            seen = f"an exception from {one.rule} excuses {', '.join(map(repr, idle))}, which nobody finds"
            left.append(Finding(rule=KEPT, resource=about, seen=seen))
        elif not about and one.stacks == stack.name:
            seen = f"an exception from {one.rule} is for {one.resource}, which is not here"
            left.append(Finding(rule=KEPT, resource=itself(stack), seen=seen))
        if about and (one.expires - today).days > LONGEST:
            seen = f"the exception from {one.rule} ends on {one.expires}, and {LONGEST} days are the most"
            left.append(Finding(rule=KEPT, resource=about, seen=seen))
    return left, stands
