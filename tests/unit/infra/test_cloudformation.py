"""What prod, canary and bootstrap declare is held against the schemas that AWS publishes of CloudFormation's types.

They know what the models of EC2, RDS and ElastiCache do not: patterns of texts, versions, what goes together.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from policy.resources import Stack
from tests.unit.infra.cloudformation import template
from tests.unit.infra.cloudformation_shapes import SHAPES, UNLIKE
from tests.unit.infra.configs import REGION
from tests.unit.policy import captured
from tests.unit.policy.changes import put

STACKS = [captured.prod, captured.canary, captured.account]
REASONS = {
    ("W2501", "MasterUserPassword"): "the recorder generates it, and Pulumi keeps it encrypted",
    ("W3010", "AvailabilityZone"): "an account's zones are its own choice: a setting",
    ("W3691", "Properties"): "17 alone: RDS takes the newest minor version of it, and goes on to newer ones",
}
"""Findings that are none, by rule and place."""


def findings(stack: Stack) -> set[str]:
    """What cfn-lint has against a stack, without what there is a reason for."""
    found = lint(json.dumps(template(stack.resources)), config=ManualArgs(regions=[REGION]))
    return {f"{one.rule.id} {one.path[-1]}: {one.message}" for one in found if not REASONS.get(_place(one))}


def _place(one: Any) -> tuple[str, str]:
    path = [part for part in one.path if isinstance(part, str)]
    return one.rule.id, path[-1]


@pytest.mark.parametrize("stack", STACKS, ids=lambda one: one.__name__)
def test_the_schemas_have_nothing_against_our_stacks(stack: Callable[[], Stack]) -> None:
    assert findings(stack()) == set()


def test_each_type_has_a_shape_or_is_named_as_unlike_with_its_reason() -> None:
    declared = {one.type.removeprefix("aws:") for stack in STACKS for one in stack().resources if "aws:" in one.type}

    assert declared == SHAPES.keys() | UNLIKE.keys()
    assert SHAPES.keys() & UNLIKE.keys() == set()


BROKEN = (
    ("SecurityGroup network-app", "description", "the app's own"),
    ("LogGroup audit-postgresql", "retentionInDays", 31.0),
    ("Instance audit", "instanceClass", "db.t4g.tiny"),
    ("TargetGroup balancer-stable", "healthCheck.timeout", 300.0),
    ("Repository web-next", "imageTagMutability", "FIXED"),
    ("BucketVersioning evidence", "versioningConfiguration.status", "On"),
    ("Topic monitoring", "named", "x"),
)


def test_what_aws_refuses_is_found() -> None:
    stack = captured.prod()
    for where, path, value in BROKEN:
        stack = put(where, path, value)(stack)

    assert {finding.partition(":")[0] for finding in findings(stack)} == {
        "E3002 Named",
        "E3025 DBInstanceClass",
        "E3030 ImageTagMutability",
        "E3030 RetentionInDays",
        "E3030 Status",
        "E3031 GroupDescription",
        "E3034 HealthCheckTimeoutSeconds",
    }
