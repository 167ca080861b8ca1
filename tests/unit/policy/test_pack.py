"""The policy pack, asked as Pulumi's engine asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pulumi_policy import (
    EnforcementLevel,
    PolicyCustomTimeouts,
    PolicyResourceOptions,
    ResourceValidationArgs,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.policy import PolicyResource
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policy.pack import known, policies
from policy.resources import UNKNOWN, Stack
from policy.rules import ALL
from tests.unit.policy import captured
from tests.unit.policy.changes import hide, put

OPTIONS = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])


def as_told(value: Any) -> Any:
    """A value as the engine tells it, with its own mark for what is not known."""
    if value is UNKNOWN:
        return UNKNOWN_STRING_VALUE
    if isinstance(value, Mapping):
        return {key: as_told(inner) for key, inner in value.items()}
    return [as_told(inner) for inner in value] if isinstance(value, list) else value


def reports(stack: Stack, name: str = "prod") -> list[tuple[str, str, str | None]]:
    """What the pack reports of a stack: policy, message, URN."""
    declared, *rest = policies(name, stack.config)
    shown: dict[str, PolicyResource] = {}
    said: list[tuple[str, str, str | None]] = []
    for one in stack.resources:
        inputs = unknown_checking_proxy(as_told(one.inputs))
        declared.validate(  # type: ignore[attr-defined]
            ResourceValidationArgs(one.type, inputs, one.urn, one.name, OPTIONS, None), lambda *_: None
        )
        outputs = unknown_checking_proxy(
            {**as_told(one.inputs), "id": UNKNOWN_STRING_VALUE, "ingress": UNKNOWN_STRING_VALUE}
        )
        shown[one.urn] = PolicyResource(one.type, outputs, one.urn, one.name, OPTIONS, None, None, [], {})
    for one in stack.resources:
        shown[one.urn].property_dependencies = {
            key: [shown[urn] for urn in urns if urn in shown] for key, urns in one.refers.items()
        }
    for policy in rest:
        assert isinstance(policy, StackValidationPolicy)

        def report(message: str, urn: str | None = None, *, of: str = policy.name) -> None:
            said.append((of, message, urn))

        policy.validate(StackValidationArgs(list(shown.values())), report)
    return said


def test_the_pack_has_a_policy_for_each_rule_under_its_name() -> None:
    made = [one.name for one in policies("prod", {})]

    assert made == ["declared", "unchecked", *(one.id for one in ALL), "exceptions-kept"]


@pytest.mark.parametrize("stack", [captured.prod, captured.local], ids=lambda one: one.__name__)
def test_the_pack_has_nothing_against_a_stack_of_ours_by_what_is_declared(stack: Any) -> None:
    """Of outputs a preview knows little, and AWS adds to them."""
    assert reports(stack()) == []


def test_the_pack_reports_a_finding_under_its_rule_at_its_resource() -> None:
    stack = put("BucketPublicAccessBlock evidence", "blockPublicAcls", False)(captured.prod())
    (report,) = reports(stack)

    assert report[:2] == ("s3-public-access-blocked", "evidence: blockPublicAcls not true")
    assert str(report[2]).endswith("::evidence")


def test_what_is_not_known_yet_is_reported_and_stops_nothing() -> None:
    stack = hide("SecretPolicy REDIS_URL", "policy")(captured.prod())
    (report,) = reports(stack)
    level = {one.name: one.enforcement_level for one in policies("prod", {})}

    assert report[0] == "unchecked"
    assert "secrets-readers-named: REDIS_URL: policy of REDIS_URL is not known yet" in report[1]
    assert level["unchecked"] is EnforcementLevel.ADVISORY
    assert level["secrets-readers-named"] is EnforcementLevel.MANDATORY


def test_a_stack_of_this_machine_is_not_asked_who_hears_its_alarms() -> None:
    def level(config: Mapping[str, str]) -> EnforcementLevel | None:
        return next(one.enforcement_level for one in policies("local", config) if one.name == "alarms-heard")

    assert level(captured.local().config) is EnforcementLevel.DISABLED
    assert level(captured.prod().config) is EnforcementLevel.MANDATORY


def test_nothing_of_pulumis_proxies_is_left() -> None:
    told = unknown_checking_proxy({"a": [{"b": UNKNOWN_STRING_VALUE}, 1], "c": "text"})

    assert known(told) == {"a": [{"b": UNKNOWN}, 1], "c": "text"}
