"""The firewall before the load balancer: it stops an address that sends more than a whole office."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.naming import Names

WINDOW_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class FirewallArgs:
    """One address may send `requests` in 300 seconds to `balancer`, an ARN."""

    name: str
    requests: int
    balancer: pulumi.Input[str]

    @classmethod
    def of(cls, requests: int, names: Names, balancer: aws.lb.LoadBalancer) -> FirewallArgs:
        return cls(name=names.prefix, requests=requests, balancer=balancer.arn)


class Firewall(pulumi.ComponentResource):
    """A web ACL with one rate rule, which answers 429 as nginx does."""

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:Firewall", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        wafv2 = aws.wafv2
        rate = wafv2.WebAclRuleArgs(
            name="rate",
            priority=1,
            statement=wafv2.WebAclRuleStatementArgs(
                rate_based_statement=wafv2.WebAclRuleStatementRateBasedStatementArgs(
                    aggregate_key_type="IP", limit=args.requests, evaluation_window_sec=WINDOW_SECONDS
                )
            ),
            action=wafv2.WebAclRuleActionArgs(
                block=wafv2.WebAclRuleActionBlockArgs(
                    custom_response=wafv2.WebAclRuleActionBlockCustomResponseArgs(
                        response_code=429,
                        custom_response_body_key="limited",
                        response_headers=[
                            wafv2.WebAclRuleActionBlockCustomResponseResponseHeaderArgs(
                                name="Retry-After", value=str(WINDOW_SECONDS)
                            )
                        ],
                    )
                )
            ),
            visibility_config=wafv2.WebAclRuleVisibilityConfigArgs(
                metric_name=f"{args.name}-rate", cloudwatch_metrics_enabled=True, sampled_requests_enabled=False
            ),
        )
        acl = wafv2.WebAcl(
            name,
            name=args.name,
            scope="REGIONAL",
            default_action=wafv2.WebAclDefaultActionArgs(allow=wafv2.WebAclDefaultActionAllowArgs()),
            custom_response_bodies=[
                wafv2.WebAclCustomResponseBodyArgs(
                    key="limited", content='{"_err":"rate limited"}', content_type="APPLICATION_JSON"
                )
            ],
            rules=[rate],
            visibility_config=wafv2.WebAclVisibilityConfigArgs(
                metric_name=args.name, cloudwatch_metrics_enabled=True, sampled_requests_enabled=False
            ),
            opts=child,
        )
        wafv2.WebAclAssociation(name, resource_arn=args.balancer, web_acl_arn=acl.arn, opts=child)
        self.register_outputs({})
