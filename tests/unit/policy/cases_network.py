"""Cases of the rules on who reaches what runs: network, balancer, firewall."""

from __future__ import annotations

import json

from tests.unit.policy.case import Case
from tests.unit.policy.changes import beside, both, drop, gone, hide, more, put, rewrite, told, untold

DATABASE_RULE, BALANCER_RULE = (
    "SecurityGroupIngressRule network-database-from-app",
    "SecurityGroupIngressRule network-balancer-from-198.51.100.0-24-443",
)
APP_RULE = "SecurityGroupIngressRule network-app-from-balancer"
FOREIGN = put(APP_RULE, "securityGroupId", "sg-elsewhere")
ACCESS = "web-next:access"
ALERTS_SCOPE = "rules.1.statement.rateBasedStatement.scopeDownStatement.byteMatchStatement"

CASES = [
    Case(
        rule="network-data-closed",
        at="audit",
        bad=[
            more(DATABASE_RULE, "open", cidrIpv4="0.0.0.0/0", referencedSecurityGroupId=None),
            more(DATABASE_RULE, "office", cidrIpv4="10.0.0.0/8", referencedSecurityGroupId=None),
            more(DATABASE_RULE, "balancer", referencedSecurityGroupId="SecurityGroup:network-balancer"),
            more(DATABASE_RULE, "elsewhere", referencedSecurityGroupId="sg-0123456789"),
            more(DATABASE_RULE, "list", prefixListId="pl-1"),
            put(DATABASE_RULE, "toPort", 6000.0),
            put(DATABASE_RULE, "ipProtocol", "-1"),
            put("SecurityGroup network-database", "ingress", [{"cidrBlocks": ["0.0.0.0/0"], "protocol": "tcp"}]),
            drop("Instance audit", "vpcSecurityGroupIds"),
            put("Instance audit", "vpcSecurityGroupIds", ["SecurityGroup:network-database", "sg-of-somebody-else"]),
        ],
        unknown=hide(DATABASE_RULE, "fromPort"),
    ),
    Case(
        rule="network-data-closed",
        at="queues",
        bad=[
            put("SecurityGroupIngressRule network-queues-from-app", "fromPort", 0.0),
            put("ReplicationGroup queues", "securityGroupIds", ["sg-elsewhere"]),
        ],
        unknown=hide("SecurityGroupIngressRule network-queues-from-app", "securityGroupId"),
    ),
    Case(
        rule="network-open-to-nobody",
        at="network-app",
        bad=[
            more("SecurityGroupIngressRule network-app-from-balancer", "open", cidrIpv4="0.0.0.0/0"),
            more("SecurityGroupIngressRule network-app-from-balancer", "open", cidrIpv6="::/0"),
            put("SecurityGroup network-app", "ingress", [{"cidrBlocks": ["0.0.0.0/0"], "protocol": "-1"}]),
            put("SecurityGroup network-app", "ingress", [{"prefixListIds": ["pl-1"], "protocol": "-1"}]),
            more("SecurityGroupIngressRule network-app-from-balancer", "half", cidrIpv4="128.0.0.0/1"),
            more("SecurityGroupIngressRule network-app-from-balancer", "list", prefixListId="pl-1"),
        ],
        unknown=hide("SecurityGroupIngressRule network-app-from-balancer", "cidrIpv4"),
        good=[more("SecurityGroupIngressRule network-app-from-balancer", "inside", cidrIpv4="10.42.0.0/16")],
    ),
    Case(
        rule="network-open-to-nobody",
        at="network-app-from-balancer",
        bad=[
            both(FOREIGN, put(APP_RULE, "cidrIpv4", "0.0.0.0/0")),
            both(FOREIGN, put(APP_RULE, "cidrIpv6", "::/0")),
            both(FOREIGN, put(APP_RULE, "prefixListId", "pl-1")),
            beside(
                "aws:ec2/securityGroupRule:SecurityGroupRule",
                "network-app-from-balancer",
                type="ingress",
                securityGroupId="sg-elsewhere",
                cidrBlocks=["0.0.0.0/0"],
            ),
        ],
        unknown=hide(APP_RULE, "securityGroupId"),
        good=[FOREIGN, both(FOREIGN, put(APP_RULE, "cidrIpv4", "10.42.0.0/16"))],
    ),
    Case(
        rule="network-defaults-closed",
        at="network",
        bad=[
            gone("DefaultSecurityGroup network"),
            put("DefaultSecurityGroup network", "egress", [{"protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]}]),
            put("Subnet network-public-eu-central-1a", "mapPublicIpOnLaunch", True),
        ],
        unknown=hide("DefaultSecurityGroup network", "ingress"),
    ),
    Case(
        rule="network-data-goes-nowhere",
        at="audit",
        bad=[
            more("Route network-public", "data", routeTableId="RouteTable:network-data"),
            put("RouteTable network-data", "routes", [{"cidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"}]),
            gone("RouteTableAssociation network-data-eu-central-1a"),
            put("RouteTableAssociation network-data-eu-central-1a", "routeTableId", "rtb-of-somebody-else"),
        ],
        unknown=hide("Route network-public", "routeTableId"),
    ),
    Case(
        rule="network-instances-closed",
        at="bastion",
        bad=[
            put("LaunchTemplate bastion", "metadataOptions.httpTokens", "optional"),
            drop("LaunchTemplate bastion", "metadataOptions"),
            put("LaunchTemplate bastion", "networkInterfaces.0.associatePublicIpAddress", "true"),
            drop("LaunchTemplate bastion", "blockDeviceMappings.0.ebs.encrypted"),
            put("LaunchTemplate bastion", "keyName", "mine"),
        ],
        unknown=hide("LaunchTemplate bastion", "metadataOptions"),
    ),
    Case(
        rule="balancer-as-access",
        at="balancer",
        bad=[
            put(BALANCER_RULE, "cidrIpv4", "0.0.0.0/0"),
            put(BALANCER_RULE, "cidrIpv4", "198.51.0.0/16"),
            put(BALANCER_RULE, "toPort", 8443.0),
            put("LoadBalancer balancer", "securityGroups", ["SecurityGroup:network-balancer", "sg-of-somebody-else"]),
            more(BALANCER_RULE, "admin", fromPort=22.0, toPort=22.0),
            more(BALANCER_RULE, "list", cidrIpv4=None, prefixListId="pl-1"),
            more(BALANCER_RULE, "group", cidrIpv4=None, referencedSecurityGroupId="sg-of-somebody-else"),
            told(ACCESS, json.dumps({"clients": ["198.51.100.0/25"]})),
            told(ACCESS, json.dumps({"clients": ["198.51.100.0/24"], "internal": True})),
        ],
        unknown=untold(ACCESS),
    ),
    Case(
        rule="balancer-tls",
        at="balancer-https",
        bad=[
            put("Listener balancer-https", "sslPolicy", "ELBSecurityPolicy-2016-08"),
            put("Listener balancer-https", "sslPolicy", "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06"),
            put("Listener balancer-https", "sslPolicy", "ELBSecurityPolicy-TLS13-1-2-2021-06"),
            drop("Listener balancer-https", "sslPolicy"),
            put("Listener balancer-https", "protocol", "HTTP"),
        ],
        unknown=hide("Listener balancer-https", "sslPolicy"),
    ),
    Case(
        rule="balancer-tls",
        at="balancer-http",
        bad=[
            put("Listener balancer-http", "defaultActions", [{"type": "forward"}]),
            put("Listener balancer-http", "defaultActions.0.redirect.protocol", "HTTP"),
        ],
        unknown=hide("Listener balancer-http", "defaultActions"),
    ),
    Case(
        rule="balancer-tls",
        at="balancer-stable",
        bad=[put("ListenerRule balancer-stable", "listenerArn", "Listener:balancer-http")],
        unknown=hide("ListenerRule balancer-stable", "listenerArn"),
        good=[
            both(
                put("ListenerRule balancer-stable", "listenerArn", "Listener:balancer-http"),
                put(
                    "ListenerRule balancer-stable", "actions", [{"type": "redirect", "redirect": {"protocol": "HTTPS"}}]
                ),
            )
        ],
    ),
    Case(
        rule="balancer-strict",
        at="balancer",
        bad=[
            put("LoadBalancer balancer", "dropInvalidHeaderFields", False),
            put("LoadBalancer balancer", "desyncMitigationMode", "monitor"),
        ],
        unknown=hide("LoadBalancer balancer", "dropInvalidHeaderFields"),
    ),
    Case(
        rule="balancer-kept-and-logged",
        at="balancer",
        bad=[
            put("LoadBalancer balancer", "enableDeletionProtection", False),
            drop("LoadBalancer balancer", "accessLogs"),
            put("LoadBalancer balancer", "subnets", ["one"]),
        ],
        unknown=hide("LoadBalancer balancer", "accessLogs"),
    ),
    Case(
        rule="balancer-track-from-trusted",
        at="balancer-candidate",
        bad=[
            drop("ListenerRule balancer-candidate", "conditions.1"),
            put("ListenerRule balancer-candidate", "conditions.1.sourceIp.values", ["0.0.0.0/0"]),
        ],
        unknown=hide("ListenerRule balancer-candidate", "conditions"),
    ),
    Case(
        rule="waf-before-balancer",
        at="balancer",
        bad=[gone("WebAclAssociation firewall")],
        unknown=hide("WebAclAssociation firewall", "resourceArn"),
    ),
    Case(
        rule="waf-limits",
        at="firewall",
        bad=[
            drop("WebAcl firewall", "rules.0"),
            drop("WebAcl firewall", "rules.1"),
            drop("WebAcl firewall", "rules.0.statement.rateBasedStatement.scopeDownStatement"),
            rewrite("WebAcl firewall", f"{ALERTS_SCOPE}.searchString", "webhook", "queue"),
            put("WebAcl firewall", "rules.0.action", {"count": {}}),
            put("WebAcl firewall", "rules.0.statement.rateBasedStatement.limit", 2_000_000.0),
            put("WebAcl firewall", "rules.0.statement.rateBasedStatement.evaluationWindowSec", 60.0),
            put("WebAcl firewall", "rules.0.statement.rateBasedStatement.aggregateKeyType", "CONSTANT"),
            drop("WebAcl firewall", "rules.5"),
            put("WebAcl firewall", "rules.7", {"name": "all", "priority": 0.0, "action": {"allow": {}}}),
        ],
        unknown=hide("WebAcl firewall", "rules"),
        good=[put("WebAcl firewall", "rules.0.statement.rateBasedStatement.evaluationWindowSec", 600.0)],
    ),
    Case(
        rule="waf-logged",
        at="firewall",
        bad=[
            gone("WebAclLoggingConfiguration firewall"),
            drop("WebAclLoggingConfiguration firewall", "redactedFields.1"),
            put("WebAcl firewall", "rules.1.visibilityConfig.cloudwatchMetricsEnabled", False),
        ],
        unknown=hide("WebAclLoggingConfiguration firewall", "redactedFields"),
    ),
]
