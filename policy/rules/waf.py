"""The firewall before the balancer."""

from __future__ import annotations

import json
from collections.abc import Iterator

from policy.resources import Resource, Stack
from policy.rule import rule

ACL, BALANCER = "aws:wafv2/webAcl:WebAcl", "aws:lb/loadBalancer:LoadBalancer"
ASSOCIATION = "aws:wafv2/webAclAssociation:WebAclAssociation"
LOGGING = "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"
OFFICE, LEAST = 3_000, 10
"""Requests of one address in five minutes: what holds where the configuration says nothing, and the lowest limit."""
PER_WINDOW = 5
"""Minutes."""
WINDOW_SECONDS = 60 * PER_WINDOW
"""What AWS counts in where a limit says nothing; of another window it is reckoned over."""
ALERTS = "/api/alerts/webhook"
SENSITIVE = ("authorization", "cookie")


@rule(
    "waf-before-balancer",
    BALANCER,
    severity="high",
    covers=["AWS ELB.16"],
    todo="declare a WebAclAssociation of the balancer with the stack's web ACL",
)
def before_balancer(balancer: Resource, stack: Stack) -> Iterator[str]:
    """Each request to a balancer is judged by a firewall first"""
    if not stack.about(ASSOCIATION, "resourceArn", balancer):
        yield "no WebAclAssociation"


@rule(
    "waf-limits",
    ACL,
    severity="high",
    covers=["FSBP WAF.10"],
    todo="block addresses by rate_based_statements, one of alerts and one of all else, and AWS' managed groups behind",
)
def limits(acl: Resource, stack: Stack) -> Iterator[str]:
    """A firewall blocks an address that asks too much, no alert for its other requests, and knows AWS' rules"""
    rules = acl.all("rules")
    rates = [one for one in rules if (one.get("statement") or {}).get("rateBasedStatement")]
    blocking = [one for one in rates if "block" in (one.get("action") or {})]
    if idle := [one["name"] for one in rates if one not in blocking]:
        yield f"{', '.join(idle)} limits and does not block"
    last = max((one["priority"] for one in rates), default=0)
    if free := [one["name"] for one in rules if "allow" in (one.get("action") or {}) and one["priority"] < last]:
        yield f"{', '.join(free)} allows before the limits"
    found = [one["statement"]["rateBasedStatement"] for one in blocking]
    scopes = [one.get("scopeDownStatement") for one in found]
    left_out = [(scope.get("notStatement") or {}).get("statement") for scope in scopes if scope]
    if None not in scopes and not [one for one in left_out if one and one in scopes]:
        yield "no limit of all requests of an address"
    own = [scope for scope in scopes if scope and (scope.get("byteMatchStatement") or {}).get("searchString") == ALERTS]
    requests, alerts = configured(stack)
    most = [alerts if scope in own else requests for scope in scopes]
    if None in scopes or not [one for one in own if one in left_out]:
        yield f"{ALERTS} counts among all other requests of an address"
    for one, limit in zip(found, most, strict=True):
        window = one.get("evaluationWindowSec") or WINDOW_SECONDS
        if (asked := one["limit"] * WINDOW_SECONDS / window) > limit:
            yield f"a limit of {asked:.0f} requests, and {limit} is what web-next:edge and fargate come to"
    if shared := [one["aggregateKeyType"] for one in found if one.get("aggregateKeyType", "IP") != "IP"]:
        yield f"limits by {', '.join(shared)}, not by address"
    groups = {((one.get("statement") or {}).get("managedRuleGroupStatement") or {}).get("name") for one in rules}
    if missing := {"AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"} - groups:
        yield f"without {', '.join(sorted(missing))}"


def configured(stack: Stack) -> tuple[int, int]:
    """What one address may send in five minutes, and how many alerts: as much as nginx of all tasks lets through."""
    edge, fargate = (json.loads(stack.config.get(f"web-next:{key}", "{}")) for key in ("edge", "fargate"))
    tasks = int(fargate.get("mostTasks", 6))
    api = tasks * (PER_WINDOW * int(edge.get("ratePerMinute", 60)) + int(edge.get("burst", 10)) + 1)
    alerts = tasks * (PER_WINDOW * int(edge.get("webhookRatePerMinute", 120)) + int(edge.get("webhookBurst", 60)) + 1)
    return max(LEAST, int(fargate.get("wafRequests") or max(OFFICE, api))), max(LEAST, alerts)


@rule(
    "waf-logged",
    ACL,
    severity="medium",
    covers=["AWS WAF.11", "FSBP WAF.12"],
    todo="declare a WebAclLoggingConfiguration that redacts authorization and cookie, and metrics of each rule",
)
def logged(acl: Resource, stack: Stack) -> Iterator[str]:
    """What a firewall does is logged without credentials, and counted rule by rule"""
    logs = stack.about(LOGGING, "resourceArn", acl)
    if not logs:
        yield "no log"
    for log in logs:
        redacted = {(one.get("singleHeader") or {}).get("name") for one in log.all("redactedFields")}
        if plain := [one for one in SENSITIVE if one not in redacted]:
            yield f"the log has {', '.join(plain)}"
    for one in [acl.inputs, *acl.all("rules")]:
        if (one.get("visibilityConfig") or {}).get("cloudwatchMetricsEnabled") is not True:
            yield f"{one.get('name')} has no metric"
