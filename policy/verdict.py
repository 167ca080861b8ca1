"""What the rules say of a stack, once exceptions and levels are taken into account."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from policy import exceptions
from policy.exceptions import Allowance
from policy.resources import Resource, Stack
from policy.rule import Finding, Rule, Unchecked
from policy.rules import ALL

FILE = Path(__file__).parent / "enforcement.toml"
Level = Literal["mandatory", "advisory", "disabled"]


class EnforcementError(ValueError):
    """A level or rule in the file that is none. One line."""


@dataclass(frozen=True, kw_only=True)
class Enforcement:
    """The levels by rule, for stacks by name and by runtime."""

    stack: Mapping[str, Mapping[str, Level]]
    runtime: Mapping[str, Mapping[str, Level]]

    @classmethod
    def read(cls, path: Path = FILE) -> Enforcement:
        """Raises EnforcementError for what is no rule or no level."""
        told = tomllib.loads(path.read_text())
        rules = {one.id for one in ALL}
        for kind, tables in told.items():
            if kind not in ("stack", "runtime") or not isinstance(tables, dict):
                raise EnforcementError(
                    f"{path.name} has {kind}; it has tables of [stack.NAME] and [runtime.NAME] alone"
                )
            for name, levels in tables.items():
                for rule, level in levels.items() if isinstance(levels, dict) else [(levels, None)]:
                    if rule not in rules or level not in ("mandatory", "advisory", "disabled"):
                        raise EnforcementError(
                            f"{path.name}: {name} has {rule} = {level!r}; name a rule of docs/policy.md, and "
                            "mandatory, advisory or disabled"
                        )
        return cls(stack=told.get("stack", {}), runtime=told.get("runtime", {}))

    def level(self, rule: str, stack: Stack) -> Level:
        """What a finding of the rule does in the stack."""
        runtime = self.runtime.get(stack.config.get("web-next:runtime", ""), {})
        return self.stack.get(stack.name, {}).get(rule) or runtime.get(rule) or "mandatory"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`findings` are in the rules' order; `stands` is what an exception lets stand."""

    stack: str
    rules: int
    resources: int
    findings: Sequence[tuple[Finding, Level]]
    unchecked: Sequence[Unchecked]
    stands: Sequence[tuple[Finding, Allowance]]

    @property
    def against(self) -> list[Finding]:
        """What is mandatory and does not hold."""
        return [finding for finding, level in self.findings if level == "mandatory"]

    def table(self) -> str:
        """A line for each, for people: what breaks a rule, what cannot be told, what an exception lets stand."""
        words = {"mandatory": "miss", "advisory": "note"}
        lines = [(words[level], finding.rule.id, str(finding)) for finding, level in self.findings]
        lines += [("wait", one.rule.id, str(one)) for one in self.unchecked]
        lines += [
            ("let", one.rule.id, f"{one.resource.name}: {one.seen}; until {why.expires}, by {why.owner}: {why.reason}")
            for one, why in self.stands
        ]
        broken, waiting = {one.rule.id for one, _ in self.findings}, {one.rule.id for one in self.unchecked}
        held = f"{self.rules - len(broken | waiting)} of {self.rules} rules hold, "
        held += f"{len(waiting)} unchecked, " if waiting else ""
        lines.append(("ok", self.stack, f"{held}of {self.resources} resources"))
        return "\n".join(f"  {word:<5} {name:<28} {text}" for word, name, text in lines)

    def document(self) -> dict[str, Any]:
        """As JSON has it. No value of a secret is in it: rules never say one."""
        return {
            "schema": 1,
            "stack": self.stack,
            "rules": self.rules,
            "resources": self.resources,
            "ok": not self.against,
            "findings": [{**_said(one), "level": level, "todo": one.rule.todo} for one, level in self.findings],
            "unchecked": [
                {**_about(one.rule, one.resource), "unknown": f"{one.of.name}.{one.path}"} for one in self.unchecked
            ],
            "exceptions": [
                {**_said(one), "reason": why.reason, "owner": why.owner, "expires": why.expires.isoformat()}
                for one, why in self.stands
            ],
        }


def judge(
    stack: Stack,
    today: date,
    *,
    rules: Sequence[Rule] = ALL,
    allowances: Iterable[Allowance] | None = None,
    enforcement: Enforcement | None = None,
) -> Verdict:
    """Judges a stack by the rules, with the project's own exceptions and levels unless others are given.

    Raises ValueError for a file of these that cannot be read, ExceptionsError and EnforcementError among them.
    """
    levels = enforcement or Enforcement.read()
    here = [one for one in (exceptions.read() if allowances is None else allowances) if one.is_of(stack)]
    asked = [one for one in rules if levels.level(one.id, stack) != "disabled"]
    said = [each for one in asked for each in one.judge(stack)]
    judged = [(one.id, resource) for one in asked for resource in stack.of(*one.about)]
    left, stands = exceptions.applied([one for one in said if isinstance(one, Finding)], judged, here, stack, today)
    told: list[tuple[Finding, Level]] = [(one, levels.level(one.rule.id, stack)) for one in left]
    if stack.config.get("web-next:runtime") != "docker":
        told += [
            (
                Finding(
                    rule=exceptions.KEPT, resource=exceptions.itself(stack), seen=f"{FILE.name} has {one.id} {level}"
                ),
                "advisory",
            )
            for one in rules
            if (level := levels.level(one.id, stack)) != "mandatory"
        ]
    return Verdict(
        stack=stack.name,
        rules=len(asked),
        resources=len(stack.resources),
        findings=told,
        unchecked=[one for one in said if isinstance(one, Unchecked)],
        stands=stands,
    )


def _said(finding: Finding) -> dict[str, Any]:
    return {**_about(finding.rule, finding.resource), "seen": finding.seen}


def _about(rule: Rule, resource: Resource) -> dict[str, Any]:
    return {
        "rule": rule.id,
        "severity": rule.severity,
        "covers": list(rule.covers),
        "says": rule.says,
        "type": resource.type,
        "name": resource.name,
        "urn": resource.urn,
    }
