"""The firewall before the load balancer: limits of one address, and AWS' own rules, which count until told to block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import pulumi
import pulumi_aws as aws

from infra.naming import Names
from infra.settings.keys import Settings

WINDOW_SECONDS = 300
SHARES = {
    "list": ("/api/audit/list", Fraction(1, 2)),
    "zip": ("/api/evidence/zip", Fraction(1, 10)),
    "export": ("/api/snapshot/export", Fraction(1, 60)),
}
"""Paths that cost more than others, and the share of all requests that each may have. A page asks for the list in one
request of three; an export is a click."""
ALERTS = "/api/alerts/webhook"
"""Counts among no other requests: an office's dashboards must not have its critical alert refused, as at the edge."""
LEAST = 10
"""WAF takes no lower limit."""
MANAGED = {
    "common": "AWSManagedRulesCommonRuleSet",
    "bad-inputs": "AWSManagedRulesKnownBadInputsRuleSet",
    "reputation": "AWSManagedRulesAmazonIpReputationList",
}
"""AWS' rule groups: 925 of the 1500 capacity units that the price of a web ACL has in it."""
COUNTED_ALWAYS = {"common": ["SizeRestrictions_BODY"]}
"""Rules that would refuse what the contract takes: bodies of more than 8 KiB."""
REDACTED = ("authorization", "cookie")
Part = Any
"""Of a web ACL, by Pulumi's names. As classes they would be four times as long; tests hold them against AWS' model."""


@dataclass(frozen=True, kw_only=True)
class FirewallArgs:
    """One address may send `requests` in 300 seconds, and `alerts`, which all of nginx would let through, beside them.
    Managed rules `count` or `block`. What is counted and blocked is logged, and kept for `log_days`."""

    name: str
    requests: int
    alerts: int
    managed: Literal["count", "block"]
    log_days: int

    @classmethod
    def of(cls, settings: Settings, names: Names) -> FirewallArgs:
        per_window = settings.edge.webhook_rate_per_minute * WINDOW_SECONDS // 60 + settings.edge.webhook_burst + 1
        return cls(
            name=names.prefix,
            requests=settings.waf_requests,
            alerts=settings.most_edges * per_window,
            managed=settings.fargate.waf_managed,
            log_days=settings.log_days,
        )


class Firewall(pulumi.ComponentResource):
    """A web ACL: limits for each address, of alerts, of all else and of the expensive ones, which answer 429 as nginx
    does; and AWS' managed rules. Its log has what was counted or blocked, without cookies and credentials."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:Firewall", name, None, opts)
        self._name = name
        self._child = child = pulumi.ResourceOptions(parent=self)
        self._acl = aws.wafv2.WebAcl(
            name,
            name=args.name,
            scope="REGIONAL",
            default_action={"allow": {}},
            custom_response_bodies=[
                {"key": "limited", "content": '{"_err":"rate limited"}', "content_type": "APPLICATION_JSON"}
            ],
            rules=[*_limits(args), *_managed(args)],
            visibility_config=_seen_as(args.name),
            opts=child,
        )
        # WAF writes into groups of this beginning alone.
        group = aws.cloudwatch.LogGroup(
            name, name=f"aws-waf-logs-{args.name}", retention_in_days=args.log_days, opts=child
        )
        conditions: list[Part] = [
            {"action_condition": {"action": action}} for action in ("BLOCK", "COUNT", "EXCLUDED_AS_COUNT")
        ]
        aws.wafv2.WebAclLoggingConfiguration(
            name,
            resource_arn=self._acl.arn,
            log_destination_configs=[group.arn],
            redacted_fields=[{"single_header": {"name": header}} for header in REDACTED],
            logging_filter={
                "default_behavior": "DROP",
                "filters": [{"behavior": "KEEP", "requirement": "MEETS_ANY", "conditions": conditions}],
            },
            opts=child,
        )
        self.register_outputs({})

    def before(self, balancer: aws.lb.LoadBalancer) -> None:
        """Has each request to the load balancer judged."""
        aws.wafv2.WebAclAssociation(self._name, resource_arn=balancer.arn, web_acl_arn=self._acl.arn, opts=self._child)


def _limits(args: FirewallArgs) -> Iterator[Part]:
    limits = {"rate": ({"not_statement": {"statement": _of_path(ALERTS)}}, args.requests)}
    limits["webhook"] = (_of_path(ALERTS), args.alerts)
    limits |= {what: (_of_path(path), int(args.requests * share)) for what, (path, share) in SHARES.items()}
    answer = {
        "response_code": 429,
        "custom_response_body_key": "limited",
        "response_headers": [{"name": "Retry-After", "value": str(WINDOW_SECONDS)}],
    }
    for priority, (what, (scope, limit)) in enumerate(limits.items(), 1):
        rate = {
            "aggregate_key_type": "IP",
            "limit": max(LEAST, limit),
            "evaluation_window_sec": WINDOW_SECONDS,
            "scope_down_statement": scope,
        }
        yield {
            "name": what,
            "priority": priority,
            "statement": {"rate_based_statement": rate},
            "action": {"block": {"custom_response": answer}},
            "visibility_config": _seen_as(f"{args.name}-{what}"),
        }


def _of_path(path: str) -> Part:
    """Requests of a path in whichever spelling: decoded, without // and .., in lower case."""
    kinds = enumerate(("URL_DECODE", "NORMALIZE_PATH", "LOWERCASE"))
    return {
        "byte_match_statement": {
            "field_to_match": {"uri_path": {}},
            "positional_constraint": "EXACTLY",
            "search_string": path,
            "text_transformations": [{"priority": priority, "type": kind} for priority, kind in kinds],
        }
    }


def _managed(args: FirewallArgs) -> Iterator[Part]:
    for priority, (what, group) in enumerate(MANAGED.items(), len(SHARES) + 3):
        counted = [{"name": rule, "action_to_use": {"count": {}}} for rule in COUNTED_ALWAYS.get(what, [])]
        yield {
            "name": what,
            "priority": priority,
            "override_action": {"count": {}} if args.managed == "count" else {"none": {}},
            "statement": {
                "managed_rule_group_statement": {"vendor_name": "AWS", "name": group, "rule_action_overrides": counted}
            },
            "visibility_config": _seen_as(f"{args.name}-{what}"),
        }


def _seen_as(metric: str) -> Part:
    return {"metric_name": metric, "cloudwatch_metrics_enabled": True, "sampled_requests_enabled": False}
