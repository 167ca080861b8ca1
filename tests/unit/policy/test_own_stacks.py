"""Our own stacks, judged by every rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from policy import exceptions
from policy.resources import Stack
from policy.verdict import judge
from tests.unit.infra.configs import changed
from tests.unit.infra.parts import run
from tests.unit.policy import captured
from tests.unit.policy.captured import OWN, REHEARSED
from tests.unit.policy.changes import Change, put, told

WRITTEN = date(2026, 11, 30)
"""Our exceptions are judged on this day: one that has run out since is for whoever runs the stack, and for no test."""


@pytest.mark.parametrize("stack", OWN, ids=lambda one: one.__name__)
def test_no_rule_has_anything_against_our_own_stacks_and_none_is_unchecked(stack: Callable[[], Stack]) -> None:
    verdict = judge(stack(), WRITTEN)

    assert [str(one) for one, _ in verdict.findings] == []
    assert [str(one) for one in verdict.unchecked] == []


@pytest.mark.parametrize("config", [captured.PROD, captured.LOCAL], ids=["prod", "local"])
def test_nor_has_one_against_secrets_that_are_shown_to_others(config: dict[str, str]) -> None:
    asked = {"executorAuth": "bearer", "telemetry": {"endpoint": "https://otel.web-next.test:4318", "headers": True}}
    config = changed(config, **asked)
    verdict = judge(captured.stack_of(run(config), "test", config), WRITTEN)

    assert [str(one) for one, _ in verdict.findings] == []
    assert [str(one) for one in verdict.unchecked] == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (put("Bucket evidence", "forceDestroy", True), "s3-versioned"),
        (put("Instance audit", "deletionProtection", False), "rds-kept"),
        (put("Secret REDIS_URL", "recoveryWindowInDays", 0.0), "secrets-own-key-and-kept"),
    ],
)
def test_what_may_go_on_a_machine_is_a_finding_on_aws_whatever_its_file_says(change: Change, rule: str) -> None:
    told_so = told("web-next:mayDestroy", REHEARSED["web-next:mayDestroy"])
    verdict = judge(told_so(change(captured.prod())), WRITTEN)

    assert [one.rule.id for one in verdict.against] == [rule]


def test_a_first_preview_of_prod_leaves_nothing_unchecked() -> None:
    """Which resource belongs to which is known before any of them has an id."""
    verdict = judge(captured.before_the_first_up(), WRITTEN)

    assert [str(one) for one in verdict.unchecked] == []
    assert [str(one) for one, _ in verdict.findings] == []


def test_prod_canary_and_the_account_need_no_exception_at_all() -> None:
    for stack in (captured.prod(), captured.canary(), captured.account()):
        assert judge(stack, WRITTEN).stands == []


def test_every_exception_lets_something_stand_in_a_stack_of_ours() -> None:
    needed = [why for stack in OWN for _, why in judge(stack(), WRITTEN).stands]

    assert [one for one in exceptions.read() if one not in needed] == []
