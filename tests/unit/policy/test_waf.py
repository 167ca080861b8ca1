"""The firewall's limits are what the settings come to: whatever they take passes, and a request more does not."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from infra.runtime.fargate.firewall import Firewall, FirewallArgs
from infra.settings.problems import SettingsError
from policy.resources import Stack
from policy.rules.waf import ACL, limits
from tests.support.setting_keys import bounds, keys
from tests.unit.infra.configs import FARGATE, NAMES, changed, settings
from tests.unit.infra.recorder import record
from tests.unit.policy.captured import stack_of
from tests.unit.policy.changes import put

COUNTING = (
    "edge.ratePerMinute",
    "edge.burst",
    "edge.webhookRatePerMinute",
    "edge.webhookBurst",
    "fargate.mostTasks",
    "fargate.wafRequests",
)
GROWTH: list[dict[str, dict[str, float]]] = [
    {"fargate": {"mostTasks": 152}},
    {"edge": {"webhookRatePerMinute": 3400}},
    {"fargate": {"wafRequests": 2e6}},
]
"""Settings that a stack grows to; the first by docs/cost.md."""


def drawn(count: int) -> list[dict[str, str]]:
    """So many configurations that the program takes: each figure has its least, its most, another or none."""
    some, taken, known = Random(0), list[dict[str, str]](), keys()
    while len(taken) < count:
        sections: dict[str, dict[str, int]] = {"edge": {}, "fargate": {}}
        for path in some.sample(COUNTING, some.randint(1, len(COUNTING))):
            section, _, key = path.partition(".")
            least, most = map(int, bounds(known[path]))
            sections[section][key] = some.choice((least, most, some.randint(least, most)))
        config = changed(FARGATE, **sections)
        try:
            settings(config)
        except SettingsError:
            continue
        taken.append(config)
    return taken


def firewall(config: dict[str, str]) -> Stack:
    args = FirewallArgs.of(settings(config), NAMES)
    return stack_of(record(lambda: Firewall("firewall", args)), "test", config)


def test_whatever_the_settings_take_passes() -> None:
    for config in [*(changed(FARGATE, **growth) for growth in GROWTH), *drawn(25)]:
        assert list(limits.judge(firewall(config))) == [], json.dumps(config)


@pytest.mark.parametrize("growth", [{}, *GROWTH])
@pytest.mark.parametrize("rule", [0, 1], ids=["all else", "alerts"])
def test_a_request_more_than_the_settings_come_to_is_found(rule: int, growth: dict[str, Any]) -> None:
    stack = firewall(changed(FARGATE, **growth))
    at = f"rules.{rule}.statement.rateBasedStatement.limit"
    (acl,) = stack.of(ACL)
    limit = acl.get(at)

    (found,) = limits.judge(put("WebAcl firewall", at, limit + 1)(stack))

    assert f"a limit of {limit + 1:.0f} requests, and {limit:.0f} is what" in str(found)
