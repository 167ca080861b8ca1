"""Our own stacks, judged by every rule."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from policy.resources import Stack
from policy.rules import ALL
from tests.unit.policy import captured


@pytest.mark.parametrize(
    "stack", [captured.prod, captured.canary, captured.account], ids=lambda one: one.__name__
)
def test_no_rule_has_anything_against_our_own_stacks(stack: Callable[[], Stack]) -> None:
    judged = stack()

    assert [str(said) for one in ALL for said in one.judge(judged)] == []
