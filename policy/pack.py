"""The rules as a policy pack of Pulumi's: one policy for each, so that its name is in Pulumi's output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.policy import PolicyResource
from pulumi_policy.proxy import UnknownValueError

from policy.exceptions import KEPT
from policy.resources import ID_INPUTS, UNKNOWN, Resource, Stack
from policy.rule import Rule
from policy.rules import ALL
from policy.verdict import Enforcement, Verdict, judge

LEVELS = {one.value: one for one in EnforcementLevel}


@dataclass
class Judge:
    """Judges a stack once for all policies of a run, by what its resources are declared as.

    The engine shows a stack's resources with their outputs, of which a preview knows little and AWS adds much; what was
    declared it shows of each resource before. `name` is the stack's, `config` its configuration.
    """

    name: str
    config: Mapping[str, str]
    inputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _verdict: Verdict | None = None

    def declared(self, args: ResourceValidationArgs, _report: ReportViolation) -> None:
        """Takes note of a resource's inputs."""
        self.inputs[args.urn] = known(args.props)

    def unchecked(self, args: StackValidationArgs, report: ReportViolation) -> None:
        """Judges the stack, and reports what could not be told. It is the first of the stack's policies."""
        made = Stack(name=self.name, resources=[self._resource(one) for one in args.resources], config=self.config)
        self._verdict = judge(made, date.today())
        for one in self._verdict.unchecked:
            report(f"{one.rule.id}: {one}", one.resource.urn)

    def broken(self, rule: Rule) -> Callable[[StackValidationArgs, ReportViolation], None]:
        """Reports what breaks one rule, by the verdict that is there."""

        def report_each(_args: StackValidationArgs, report: ReportViolation) -> None:
            assert self._verdict
            for finding, _ in self._verdict.findings:
                if finding.rule.id == rule.id:
                    report(f"{finding.resource.name}: {finding.seen}", finding.resource.urn)

        return report_each

    def _resource(self, shown: PolicyResource) -> Resource:
        outputs = known(shown.props)
        inputs = self.inputs.get(shown.urn, outputs)
        texts = [told.get(key) for told in (inputs, outputs) for key in ("id", *ID_INPUTS)]
        return Resource(
            type=shown.resource_type,
            name=shown.name,
            urn=shown.urn,
            inputs=inputs,
            parent=shown.parent.urn if shown.parent else "",
            provider=shown.provider.urn if shown.provider else "",
            protect=shown.opts.protect,
            refers={key: frozenset(one.urn for one in made_of) for key, made_of in shown.property_dependencies.items()},
            ids=frozenset(text for text in texts if isinstance(text, str)),
        )


def policies(name: str, config: Mapping[str, str]) -> Sequence[Policy]:
    """The policies for a stack of this name and configuration, at its levels."""
    judge_of = Judge(name, config)
    levels, stack = Enforcement.read(), Stack(name=name, resources=[], config=config)
    return [
        ResourceValidationPolicy(
            "declared", "Takes note of what is declared", judge_of.declared, EnforcementLevel.ADVISORY
        ),
        StackValidationPolicy(
            "unchecked",
            "What only an update will know is not checked yet",
            judge_of.unchecked,
            EnforcementLevel.ADVISORY,
        ),
        *(
            StackValidationPolicy(
                one.id, f"{one.says}: {one.todo}", judge_of.broken(one), LEVELS[levels.level(one.id, stack)]
            )
            for one in (*ALL, KEPT)
        ),
    ]


def known(value: Any) -> Any:
    """A value without Pulumi's proxies, which raise when what they hold is not known: UNKNOWN is in its place."""
    if isinstance(value, Mapping):
        return {key: _held(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_held(value, index) for index in range(len(value))]
    return value


def _held(holder: Any, key: Any) -> Any:
    try:
        return known(holder[key])
    except UnknownValueError:
        return UNKNOWN
