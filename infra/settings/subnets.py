"""What AWS takes as the ranges of a VPC and of its subnets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network

from outputs.network import TIERS, Subnets

LARGEST, SMALLEST = 16, 28
"""AWS's bounds on the prefix length of a VPC and of a subnet."""
SMALLEST_BALANCED = 27
"""That of a load balancer's subnets, which it grows in."""
SPLITTABLE = 23
"""A VPC split here has room for a fourth tier, and for four zones in each: 16 subnets that a balancer may be in."""
RESERVED = 5
"""Addresses of each subnet that AWS keeps."""
INTERFACE_ENDPOINTS = ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssm")
"""AWS services reached without leaving the VPC; S3 has a gateway endpoint, which costs nothing. Secrets Manager asks
KMS itself."""

OWN = [IPv4Network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]
"""Addresses that are nobody's on the internet (RFC 1918, RFC 6598): tasks could not reach others' in such a VPC."""


def problems(cidr: IPv4Network, subnets: Subnets, zones: int) -> Iterator[str]:
    """What AWS would refuse in the subnets that are given, a clause each: outside the VPC, too small, overlapping,
    too few. Those that are split are sound whenever the VPC's range is."""
    if not any(cidr.subnet_of(own) for own in OWN):
        yield (
            f"network.cidr is {cidr}: others' addresses, or none that AWS routes; choose one of "
            f"{', '.join(map(str, OWN))}, or name a VPC that has it by network.vpcId"
        )
    if not LARGEST <= cidr.prefixlen <= SPLITTABLE:
        yield f"network.cidr is {cidr}: it must have a prefix of /{LARGEST} to /{SPLITTABLE}"
    if not any(subnets.values()):
        return
    placed = [(f"network.{tier}Subnets[{n}]", net) for tier in TIERS for n, net in enumerate(subnets.get(tier, ()))]
    for where, net in placed:
        least, whose = (SMALLEST_BALANCED, "a load balancer's") if ".public" in where else (SMALLEST, "a")
        if not LARGEST <= net.prefixlen <= least:
            yield f"{where} is {net}: {whose} subnet has a prefix of /{LARGEST} to /{least}"
        elif not net.subnet_of(cidr):
            yield f"{where} is {net}: it must lie inside network.cidr, {cidr}"
    for n, (where, net) in enumerate(placed):
        for other, taken in placed[:n]:
            if net.overlaps(taken):
                yield f"{where} is {net}: it overlaps {other}, {taken}"
    for tier in TIERS:
        given = len(subnets.get(tier, ()))
        if given != zones:
            yield f"network.{tier}Subnets has {given}: name one for each of {zones} zones, or none for a split cidr"


def room(app: Sequence[IPv4Network]) -> int:
    """The addresses that these subnets have for tasks: each has an address of each endpoint besides."""
    return sum(net.num_addresses - RESERVED - len(INTERFACE_ENDPOINTS) for net in app)
