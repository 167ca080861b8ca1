"""Our own stacks, judged by every rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from policy import exceptions
from policy.resources import Stack
from policy.verdict import judge
from tests.unit.policy import captured
from tests.unit.policy.captured import OWN


@pytest.mark.parametrize("stack", OWN, ids=lambda one: one.__name__)
def test_no_rule_has_anything_against_our_own_stacks_and_none_is_unchecked(stack: Callable[[], Stack]) -> None:
    verdict = judge(stack(), date.today())

    assert [str(one) for one, _ in verdict.findings] == []
    assert [str(one) for one in verdict.unchecked] == []


def test_a_first_preview_of_prod_leaves_nothing_unchecked() -> None:
    """Which resource belongs to which is known before any of them has an id."""
    verdict = judge(captured.before_the_first_up(), date.today())

    assert [str(one) for one in verdict.unchecked] == []
    assert [str(one) for one, _ in verdict.findings] == []


def test_prod_canary_and_the_account_need_no_exception_at_all() -> None:
    for stack in (captured.prod(), captured.canary(), captured.account()):
        assert judge(stack, date.today()).stands == []


def test_every_exception_lets_something_stand_in_a_stack_of_ours() -> None:
    needed = [why for stack in OWN for _, why in judge(stack(), date.today()).stands]

    assert [one for one in exceptions.read() if one not in needed] == []
