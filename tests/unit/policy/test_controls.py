"""docs/policy-controls.md: each control that applies has its rule, or the reason why none does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from policy.rules import ALL

PAGE = Path(__file__).parents[3] / "docs" / "policy-controls.md"
LEAST = {"FSBP": 58, "CIS": 10}
"""How many apply at the least."""


def table() -> list[Sequence[str]]:
    """Control, what it asks, rules and reason, a line each."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_every_control_is_there_once_with_all_the_rules_that_name_it() -> None:
    named = {control: [one.id for one in ALL if control in one.covers] for one in ALL for control in one.covers}
    said = {control: [each.strip("` ") for each in rules.split(",")] for control, _, rules, _ in table() if rules}

    assert said == named
    assert len({control for control, *_ in table()}) == len(table())


def test_a_control_has_a_rule_or_the_reason_why_none_covers_it() -> None:
    assert [control for control, asks, rules, why in table() if not asks or bool(rules) is bool(why)] == []


def test_a_reason_that_refers_to_another_control_finds_one_there() -> None:
    reasons = {control: why for control, _, _, why in table() if why}
    others = [why.rpartition("as ")[2] for why in reasons.values() if "as FSBP" in why or "as CIS" in why]

    assert others
    assert [one for one in others if one not in reasons] == []


def test_no_standard_has_fewer_controls_than_were_counted() -> None:
    counts = {standard: sum(control.startswith(f"{standard} ") for control, *_ in table()) for standard in LEAST}

    assert {standard: count for standard, count in counts.items() if count < LEAST[standard]} == {}
