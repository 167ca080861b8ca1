"""The firewall before the balancer: whom it lets through, what it limits, counts and says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cutover.smoke.limiter import Limit
from cutover.smoke.provable import most_burst, requests
from tests.unit.infra.configs import FARGATE, changed, settings
from tests.unit.infra.parts import arn_of, run
from tests.unit.infra.recorder import Recording

POLLING = Path(__file__).parents[3] / "webnext/dashboard/polling.js"


@pytest.fixture
def prod() -> Recording:
    return run(FARGATE)


TABS, REQUESTS_A_MINUTE = 50, int(re.findall("REQUESTS_A_MINUTE = ([0-9]+);", POLLING.read_text())[0])


@pytest.mark.parametrize(
    ("edge", "fargate"), [({}, {}), ({"ratePerMinute": 600}, {}), ({"burst": 100}, {"mostTasks": 40})]
)
def test_the_firewall_lets_an_office_through_and_all_that_nginx_lets_through(
    edge: dict[str, int], fargate: dict[str, int]
) -> None:
    config = changed(FARGATE, edge=edge, fargate=fargate)
    rule = limits(run(config))[None]
    chosen = settings(config)
    limit = Limit.of(chosen.edge.rate_per_minute, chosen.edge.burst)

    assert rule >= TABS * REQUESTS_A_MINUTE * 5
    assert rule >= chosen.most_edges * passed(limit, seconds=300)


@pytest.mark.parametrize("tasks", [1, 6, 400])
@pytest.mark.parametrize("rate", [9, 10, 20, 60, 600, 6000])
def test_half_of_what_the_firewall_lets_through_is_enough_for_smoke_whatever_limit_is_taken(
    rate: int, tasks: int
) -> None:
    edge = {"ratePerMinute": rate, "burst": most_burst(rate)}
    chosen = settings(FARGATE, edge=edge, fargate={"tasks": 1, "mostTasks": tasks})

    assert requests(Limit.of(rate, chosen.edge.burst), tasks) <= chosen.waf_requests // 2


WEBHOOK = "/api/alerts/webhook"


def limits(declared: Recording) -> dict[str | None, int]:
    """What one address may send in 300 s, by the path; None for all together, but for alerts."""
    found = {}
    for limited, scope in rates(declared):
        left_out = scope.get("notStatement", {}).get("statement", {}).get("byteMatchStatement", {})
        assert left_out.get("searchString") in (None, WEBHOOK)
        found[scope.get("byteMatchStatement", {}).get("searchString")] = int(limited["limit"])
    return found


def rates(declared: Recording) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each limit of an address, and which requests it is of."""
    for rule in declared.one("aws:wafv2/webAcl:WebAcl").inputs["rules"]:
        if limited := rule["statement"].get("rateBasedStatement"):
            assert (limited["aggregateKeyType"], limited["evaluationWindowSec"]) == ("IP", 300)
            assert rule["action"]["block"]["customResponse"]["responseCode"] == 429
            yield limited, limited.get("scopeDownStatement", {})


def counts(scope: dict[str, Any], path: str) -> bool:
    """Whether a limit of this scope counts, and blocks, a request of the path, which is written plainly."""
    if left_out := scope.get("notStatement"):
        return not counts(left_out["statement"], path)
    match = scope.get("byteMatchStatement")
    return match is None or bool(match["searchString"] == path)


def test_an_alert_is_blocked_by_its_own_limit_alone_whatever_else_its_address_asks(prod: Recording) -> None:
    held = [limited["limit"] for limited, scope in rates(prod) if counts(scope, WEBHOOK)]
    other = [limited["limit"] for limited, scope in rates(prod) if counts(scope, "/api/guardrails/read")]

    assert len(held) == 1, "seven tabs of an office must not have its critical alert refused"
    assert other == [3000.0]
    assert [limited["limit"] for limited, scope in rates(prod) if counts(scope, "/api/audit/list")] == [3000.0, 1500.0]


@pytest.mark.parametrize("edge", [{}, {"webhookRatePerMinute": 600}, {"webhookRatePerMinute": 1, "webhookBurst": 0}])
def test_alerts_that_nginx_lets_through_are_let_through_before(edge: dict[str, int]) -> None:
    config = changed(FARGATE, edge=edge)
    chosen = settings(config)
    limit = Limit.of(chosen.edge.webhook_rate_per_minute, chosen.edge.webhook_burst)

    assert limits(run(config))[WEBHOOK] >= max(10, chosen.most_edges * passed(limit, seconds=300))


def passed(limit: Limit, *, seconds: int) -> int:
    """How many of a flood one nginx lets through: a hundred requests a second, each adding one unless it finds more
    than the burst."""
    excess, count = 0.0, 0
    for _ in range(seconds * 100):
        excess = max(0.0, excess - limit.rate / 100)
        if excess <= limit.burst:
            excess, count = excess + 1, count + 1
    return count


def test_a_flood_of_one_address_is_stopped_with_a_429(prod: Recording) -> None:
    assert limits(prod)[None] == 3000
    association = prod.one("aws:wafv2/webAclAssociation:WebAclAssociation").inputs
    assert association["resourceArn"] == arn_of(prod, "aws:lb/loadBalancer:LoadBalancer")


def test_what_costs_more_has_a_lower_limit_that_no_office_with_open_tabs_reaches(prod: Recording) -> None:
    asked = re.findall(
        r'new Panel\("\w+", "[^"]+", (\d+), \{[^}]*path: "([^"]+)"', (POLLING.parent / "panels.js").read_text()
    )
    every = {path: int(seconds) for seconds, path in asked}
    least = {
        "edge": {"ratePerMinute": 1, "burst": 0},
        "fargate": {"wafRequests": 36},
        "smoke": {"mustPass": ["Health"]},
    }
    low = limits(run(changed(FARGATE, **least)))

    assert limits(prod) == {
        None: 3000,
        "/api/audit/list": 1500,
        WEBHOOK: 6 * (5 * 120 + 60 + 1),
        "/api/evidence/zip": 300,
        "/api/snapshot/export": 50,
    }
    assert {path for path in every if path in limits(prod)} == {"/api/audit/list"}
    assert limits(prod)["/api/audit/list"] >= TABS * 300 / every["/api/audit/list"]
    assert low["/api/snapshot/export"] == 10, "WAF takes no less"


def test_a_limited_path_is_known_in_each_spelling(prod: Recording) -> None:
    for rule in prod.one("aws:wafv2/webAcl:WebAcl").inputs["rules"]:
        asked = rule["statement"].get("rateBasedStatement", {}).get("scopeDownStatement", {})
        if scope := asked.get("notStatement", {}).get("statement", asked).get("byteMatchStatement"):
            assert (scope["positionalConstraint"], scope["fieldToMatch"]) == ("EXACTLY", {"uriPath": {}})
            kinds = [each["type"] for each in sorted(scope["textTransformations"], key=lambda each: each["priority"])]
            assert kinds == ["URL_DECODE", "NORMALIZE_PATH", "LOWERCASE"]


@pytest.mark.parametrize("managed", ["count", "block"])
def test_awss_own_rules_count_until_they_are_told_to_block_and_large_bodies_count_always(managed: str) -> None:
    acl = run(changed(FARGATE, fargate={"wafManaged": managed})).one("aws:wafv2/webAcl:WebAcl").inputs
    groups = {
        rule["statement"]["managedRuleGroupStatement"]["name"]: rule
        for rule in acl["rules"]
        if "managedRuleGroupStatement" in rule["statement"]
    }
    common = groups["AWSManagedRulesCommonRuleSet"]["statement"]["managedRuleGroupStatement"]

    assert groups.keys() == {
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesAmazonIpReputationList",
    }
    for rule in groups.values():
        assert rule["overrideAction"] == ({"count": {}} if managed == "count" else {"none": {}})
    assert common["ruleActionOverrides"] == [{"name": "SizeRestrictions_BODY", "actionToUse": {"count": {}}}]
    assert len({rule["priority"] for rule in acl["rules"]}) == len(acl["rules"])


def test_what_the_firewall_counts_or_blocks_is_logged_without_credentials(prod: Recording) -> None:
    told = prod.one("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration").inputs
    group = prod.one("aws:cloudwatch/logGroup:LogGroup", "firewall").inputs
    (kept,) = told["loggingFilter"]["filters"]

    assert (group["name"], group["retentionInDays"]) == ("aws-waf-logs-web-next-test", 30)
    assert told["logDestinationConfigs"] == [arn_of(prod, "aws:cloudwatch/logGroup:LogGroup", "firewall")]
    assert told["resourceArn"] == arn_of(prod, "aws:wafv2/webAcl:WebAcl")
    assert {each["singleHeader"]["name"] for each in told["redactedFields"]} == {"authorization", "cookie"}
    assert (told["loggingFilter"]["defaultBehavior"], kept["behavior"], kept["requirement"]) == (
        "DROP",
        "KEEP",
        "MEETS_ANY",
    )
    assert {each["actionCondition"]["action"] for each in kept["conditions"]} == {"BLOCK", "COUNT", "EXCLUDED_AS_COUNT"}
