from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from webnext.contract.guardrails import Breach
from webnext.guardrails import rules

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
TEN = [f"s-{number:02}" for number in range(1, 11)]


def breach(name: str, age: timedelta) -> Breach:
    return Breach(id=name, guardrail="maxDrawdown", value=0.2, threshold=0.15, at=NOW - age)


@pytest.mark.parametrize(
    ("share", "of", "count"),
    [
        (0.0, 10, 0),
        (0.1, 10, 1),
        (0.5, 10, 5),
        (1.0, 10, 10),
        (0.1, 1, 1),
        (0.5, 3, 2),
        (0.1, 11, 2),
        (0.001, 10, 1),
        (1e-05, 10, 1),
        (1.0, 0, 0),
    ],
)
def test_a_share_is_rounded_up(share: float, of: int, count: int) -> None:
    assert len(rules.chosen(share, "b-1", [f"s-{number}" for number in range(of)])) == count


def test_a_share_is_what_it_reads_and_not_what_floats_make_of_it() -> None:
    assert 0.07 * 100 > 7
    assert len(rules.chosen(0.07, "b-1", [f"s-{number}" for number in range(100)])) == 7


def test_the_choice_does_not_depend_on_the_order_of_the_strategies() -> None:
    shuffled = random.Random(4).sample(TEN, len(TEN))

    assert rules.chosen(0.5, "b-1", TEN) == rules.chosen(0.5, "b-1", shuffled)


def test_the_choice_depends_on_the_breach() -> None:
    assert len({tuple(rules.chosen(0.3, f"b-{number}", TEN)) for number in range(20)}) > 10


def test_a_larger_share_adds_to_a_smaller_ones_choice() -> None:
    assert rules.chosen(0.5, "b-1", TEN)[:1] == rules.chosen(0.1, "b-1", TEN)


@pytest.mark.parametrize("strategy", TEN)
def test_the_breachs_own_strategy_comes_first_where_it_is_live(strategy: str) -> None:
    assert rules.chosen(0.1, "b-1", TEN, first=strategy) == [strategy]


def test_a_strategy_that_is_not_live_is_not_chosen() -> None:
    assert rules.chosen(1.0, "b-1", TEN, first="s-99") == rules.chosen(1.0, "b-1", TEN)


def test_only_the_breaches_of_the_last_quarter_of_an_hour_count_and_the_oldest_comes_first() -> None:
    minute = timedelta(minutes=1)
    breaches = [breach("now", 0 * minute), breach("old", 15 * minute), breach("older", 16 * minute)]
    breaches += [breach("young", 15 * minute - timedelta(seconds=1)), breach("ahead", -minute)]

    assert [found.id for found in rules.recent(breaches, NOW)] == ["young", "now", "ahead"]


def test_key_and_trace_id_are_the_same_in_every_process() -> None:
    assert rules.key_of("auto_pause", "b-1") == "web-next auto-pause:b-1"
    assert rules.trace_of("web-next auto-pause:b-1") == "9aa2124a47e09b8993464103d50dd342"
