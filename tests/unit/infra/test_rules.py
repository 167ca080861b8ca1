"""The rules between settings: each kept and broken, each judged whatever else is wrong."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from infra.settings import belonging, reach, rules
from infra.settings.keys import Settings
from infra.settings.rules import broken
from tests.unit.infra.belonging_cases import waiver
from tests.unit.infra.configs import DOCKER, FARGATE, IMAGE, MACHINE, STACK, changed, settings, without
from tests.unit.infra.rule_cases import BROKEN, KEPT, NOBODY


def unchecked(config: dict[str, str]) -> Settings:
    """Settings that are each sound by themselves, whatever they say together."""
    values = {key.partition(":")[2]: text for key, text in config.items()}
    return Settings.model_validate(
        {key: json.loads(text) if text[:1] in "[{" else text for key, text in values.items()}
    )


def clauses(config: dict[str, str], stack: str = STACK) -> list[str]:
    return broken(unchecked(config), stack)


@pytest.mark.parametrize("config", KEPT)
def test_what_keeps_every_rule_is_taken(config: dict[str, str]) -> None:
    assert clauses(config) == []


@pytest.mark.parametrize(("config", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_said_with_the_way_out(config: dict[str, str], said: list[str]) -> None:
    assert clauses(config) == said


def test_a_waiver_is_taken_up_to_its_longest_and_no_day_more() -> None:
    def said(days: int) -> list[str]:
        until = date.today() + timedelta(days)
        return clauses(changed(FARGATE, smoke={"waivers": [waiver(until.isoformat())]}))

    assert said(belonging.LONGEST_WAIVER) == []
    assert len(said(belonging.LONGEST_WAIVER + 1)) == 1


@pytest.mark.parametrize(
    ("config", "image"),
    [
        (DOCKER, "web-next:1.5.1"),
        (DOCKER, f"web-next@{IMAGE}"),
        (DOCKER, IMAGE[:-1]),
        (DOCKER, IMAGE + "\n"),
        (FARGATE, "example.com/web-next:1.5.1"),
        (FARGATE, IMAGE),
        (FARGATE, f"example.com/web-next@{IMAGE}0"),
        (FARGATE, f"example.com/web next@{IMAGE}"),
    ],
)
def test_an_image_by_anything_but_its_digest_is_refused(config: dict[str, str], image: str) -> None:
    (clause,) = clauses(changed(config, image=image))

    assert clause.startswith(f"image is {json.dumps(image)}: on {config['web-next:runtime']} it must be ")


def test_a_stack_that_aws_could_not_name_is_refused() -> None:
    (clause,) = clauses(FARGATE, stack="Prod_1")

    assert clause.startswith("the stack's name is 'Prod_1': ")


def test_all_rules_are_judged_together() -> None:
    everything = without(
        changed(FARGATE, base="prod", machine=MACHINE, database={"maxStorage": "22", "storage": "22"}),
        "zones",
        "alarmTargets",
        "operatorRoles",
    )

    assert len(clauses(everything, stack="Prod")) == 7


class _Watched:
    """Settings, or a section of them, that remember the paths of the keys that a rule reads; derived values count as
    what they are made of."""

    def __init__(self, read: BaseModel, seen: set[str], path: str = "") -> None:
        self.read, self.seen, self.path = read, seen, path

    def __getattr__(self, name: str) -> Any:
        model = type(self.read)
        if name not in model.model_fields:
            found: Any = getattr(model, name)
            return found.fget(self)
        path, value = f"{self.path}{model.model_fields[name].alias}", getattr(self.read, name)
        if isinstance(value, BaseModel):
            return _Watched(value, self.seen, f"{path}.")
        self.seen.add(path)
        return value


STOOD_IN_FOR = {"account", "region"}
"""Keys whose stand-in serves a rule as well as the real value: shape and length are the same."""


@pytest.mark.parametrize("rule", [*rules.RULES, *reach.RULES, *belonging.RULES], ids=lambda rule: rule.find.__name__)
def test_a_rule_needs_what_it_reads_and_is_left_out_for_nothing_else(rule: Any) -> None:
    seen: set[str] = set()
    for config in [*KEPT, *(config for config, _ in BROKEN.values())]:
        watched: Any = _Watched(unchecked(config), seen)
        list(rule.find(watched, STACK))

    assert seen - STOOD_IN_FOR <= rule.needs <= seen


def test_a_rule_is_judged_unless_a_key_that_it_needs_is_wrong() -> None:
    read = settings(FARGATE).model_copy(update={"base": "prod", "alarm_targets": []})
    base = "track is stable: remove 'base'; only a candidate stands on another stack"

    assert broken(read, STACK) == [base, NOBODY]
    assert broken(read, STACK, frozenset({"edge.burst", "zones"})) == [base, NOBODY]
    assert broken(read, STACK, frozenset({"base"})) == [NOBODY]
    assert broken(read, STACK, frozenset({"track"})) == []


@pytest.mark.parametrize("wrong", ["database.maxStorage", "database"])
def test_a_rule_is_left_out_when_what_it_needs_or_the_section_around_that_is_wrong(wrong: str) -> None:
    read = unchecked(changed(FARGATE, database={"storage": 100, "maxStorage": 101}))

    assert len(broken(read, STACK, frozenset({"database.class"}))) == 1
    assert broken(read, STACK, frozenset({wrong})) == []
