"""The network: who may reach whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policy.access import PRIVATE, beyond
from policy.resources import Resource, Stack
from policy.rule import rule

GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
OLD_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
DATABASE, QUEUES = "aws:rds/instance:Instance", "aws:elasticache/replicationGroup:ReplicationGroup"
TABLE = "aws:ec2/routeTable:RouteTable"
PORTS = {DATABASE: 5432, QUEUES: 6379}
_GROUPS = {DATABASE: "vpcSecurityGroupIds", QUEUES: "securityGroupIds"}
_INLINE = ("cidrBlocks", "ipv6CidrBlocks", "prefixListIds")
_NETWORKS = {INGRESS: ("cidrIpv4", "cidrIpv6", "prefixListId"), OLD_RULE: _INLINE}
_MEMBERS = {
    "aws:ecs/service:Service",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    INGRESS,
    OLD_RULE,
}
"""What may refer to a group that reaches the data: tasks, the bastion, and rules."""


@dataclass(frozen=True)
class Opening:
    """What a security group lets in: from networks, prefix lists among them, or from the members of `source`."""

    by: Resource
    networks: list[str]
    ports: tuple[Any, Any]
    protocol: str
    source: str
    """The path of the input that names a group."""


def openings(stack: Stack, group: Resource) -> Iterator[Opening]:
    """All that lets anybody into a security group, in each of the three ways of writing it. Raises NotKnownError."""
    for one in stack.about(INGRESS, "securityGroupId", group):
        ports = one.get("fromPort"), one.get("toPort")
        yield Opening(one, _networks(one), ports, one.get("ipProtocol"), "referencedSecurityGroupId")
    for one in stack.about(OLD_RULE, "securityGroupId", group):
        if one.get("type") == "ingress":
            yield Opening(
                one,
                _networks(one),
                (one.get("fromPort"), one.get("toPort")),
                one.get("protocol"),
                "sourceSecurityGroupId",
            )
    for index, inline in enumerate(group.all("ingress")):
        networks = [network for path in _INLINE for network in inline.get(path) or []]
        ports = inline.get("fromPort"), inline.get("toPort")
        yield Opening(group, networks, ports, inline.get("protocol"), f"ingress.{index}.securityGroups")


def _networks(one: Resource) -> list[str]:
    """The networks that a rule of a group lets in."""
    return [network for path in _NETWORKS[one.type] for network in one.all(path)]


def foreign(resource: Resource, path: str, groups: list[Resource]) -> Iterator[str]:
    """What is wrong where a resource has no group, or some that the stack does not declare and nobody can judge."""
    has = resource.inputs.get(path) or []
    if not groups:
        yield "no security group of this stack"
    elif isinstance(has, list) and len(has) > len(groups):
        yield f"{len(has)} security groups, and {len(groups)} of this stack"


@rule(
    "network-data-closed",
    DATABASE,
    QUEUES,
    severity="high",
    covers=["FSBP EC2.18", "FSBP EC2.19"],
    todo="let groups of tasks and of the bastion in, by a SecurityGroupIngressRule each, at the one port",
)
def data_closed(store: Resource, stack: Stack) -> Iterator[str]:
    """Database and queues are reached from tasks and the bastion alone, at their one port"""
    port = PORTS[store.type]
    groups = stack.behind(store, _GROUPS[store.type], GROUP)
    yield from foreign(store, _GROUPS[store.type], groups)
    for opening in (one for group in groups for one in openings(stack, group)):
        if opening.networks:
            yield f"{opening.by.name} lets in {', '.join(opening.networks)}"
        elif not _known_here(opening, stack):
            yield f"{opening.by.name} lets in a group that is not of tasks or the bastion alone"
        if opening.protocol != "tcp" or opening.ports != (port, port):
            yield f"{opening.by.name} opens {opening.protocol} {opening.ports[0]}-{opening.ports[1]}, not tcp {port}"


def _known_here(opening: Opening, stack: Stack) -> bool:
    senders = stack.behind(opening.by, opening.source, GROUP)
    if not senders:
        clients = json.loads(stack.config.get("web-next:database", "{}")).get("clientGroups", [])
        return opening.by.get(opening.source) in clients
    used = (one for one in stack.resources for sender in senders if sender.urn in one.everything)
    return all(one.type in _MEMBERS for one in used)


@rule(
    "network-open-to-nobody",
    GROUP,
    INGRESS,
    OLD_RULE,
    severity="high",
    covers=["AWS EC2.13", "AWS EC2.14", "FSBP EC2.18", "FSBP EC2.19", "CIS 5.2", "CIS 5.3"],
    todo="let in a group; whom web-next:access names comes by the balancer",
)
def open_to_nobody(group: Resource, stack: Stack) -> Iterator[str]:
    """No group but a load balancer's lets in a network that is not private"""
    if group.type != GROUP:  # a rule: of the stack's own groups it is judged with them
        judged = group.get("type") == "egress" or stack.behind(group, "securityGroupId", GROUP)
        if strange := [] if judged else beyond(_networks(group), PRIVATE):
            yield f"a group that the stack does not declare lets in {', '.join(strange)}"
        return
    if stack.about("aws:lb/loadBalancer:LoadBalancer", "securityGroups", group):
        return  # balancer-as-access has more to say of it
    for opening in openings(stack, group):
        if strange := beyond(opening.networks, PRIVATE):
            yield f"{opening.by.name} lets in {', '.join(strange)}"


@rule(
    "network-defaults-closed",
    "aws:ec2/vpc:Vpc",
    severity="medium",
    covers=["FSBP EC2.2", "FSBP EC2.15", "CIS 5.4"],
    todo="declare its DefaultSecurityGroup without rules, and set map_public_ip_on_launch to False in its subnets",
)
def defaults_closed(vpc: Resource, stack: Stack) -> Iterator[str]:
    """Nothing in a VPC is open because nobody said otherwise: neither its default group nor an address by itself"""
    groups = stack.about("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "vpcId", vpc)
    if not groups:
        yield "no DefaultSecurityGroup declared: its members reach each other"
    for group in groups:
        if group.all("ingress") or group.all("egress"):
            yield "the default group has rules"
    for subnet in stack.about("aws:ec2/subnet:Subnet", "vpcId", vpc):
        if subnet.get("mapPublicIpOnLaunch"):
            yield f"mapPublicIpOnLaunch true in {subnet.name}"


@rule(
    "network-data-goes-nowhere",
    "aws:rds/subnetGroup:SubnetGroup",
    "aws:elasticache/subnetGroup:SubnetGroup",
    severity="medium",
    covers=["FSBP RDS.46"],
    todo="associate the subnets with a route table that has no route to a gateway",
)
def data_goes_nowhere(group: Resource, stack: Stack) -> Iterator[str]:
    """The subnets of the data have no way out, nor in"""
    for subnet in stack.behind(group, "subnetIds", "aws:ec2/subnet:Subnet"):
        placed = stack.about("aws:ec2/routeTableAssociation:RouteTableAssociation", "subnetId", subnet)
        tables = [table for one in placed for table in stack.behind(one, "routeTableId", TABLE)]
        if not tables:
            yield f"{subnet.name} has no route table of this stack: the VPC's own decides"
        for table in tables:
            for inline in table.all("routes"):
                yield f"{table.name} leads {subnet.name} to {', '.join(map(str, inline.values()))}"
            for route in stack.about("aws:ec2/route:Route", "routeTableId", table):
                yield f"{route.name} leads {subnet.name} to {route.get('destinationCidrBlock')}"


@rule(
    "network-instances-closed",
    "aws:ec2/launchTemplate:LaunchTemplate",
    severity="high",
    covers=["FSBP EC2.8", "FSBP EC2.9", "FSBP EC2.3", "FSBP EC2.25", "FSBP EC2.170", "FSBP EC2.181", "CIS 5.6"],
    todo="set http_tokens to required, associate_public_ip_address to false and encrypted to true",
)
def instances_closed(template: Resource, _stack: Stack) -> Iterator[str]:
    """An instance has no address of its own, tells its role to itself alone, and has an encrypted disk"""
    if (tokens := template.get("metadataOptions.httpTokens")) != "required":
        yield f"httpTokens {tokens}"
    for part in ("networkInterfaces", "blockDeviceMappings"):
        if not template.all(part):
            yield f"no {part}: subnet and image decide"
    for one in template.all("networkInterfaces"):
        if str(one.get("associatePublicIpAddress")).lower() != "false":
            yield f"associatePublicIpAddress {one.get('associatePublicIpAddress')}"
    for one in template.all("blockDeviceMappings"):
        if str((one.get("ebs") or {}).get("encrypted")).lower() != "true":
            yield f"{one.get('deviceName')} is not encrypted"
    if "keyName" in template.inputs:
        yield f"an SSH key, {template.get('keyName')}"
