"""The subnets' arithmetic, over many ranges and numbers of zones."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import combinations

import pytest

from infra.settings.subnets import LARGEST, SMALLEST, SPLITTABLE, problems
from outputs.network import MOST_ZONES, TIERS, Subnets, split

RANGES = [
    IPv4Network((int(IPv4Network(block).network_address) + offset * 2 ** (32 - prefix), prefix))
    for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
    for prefix in range(LARGEST, SPLITTABLE + 1)
    for offset in range(min(3, 2 ** (prefix - LARGEST)))
]
CIDR = IPv4Network("10.42.0.0/16")


def each() -> Iterator[tuple[IPv4Network, int, Subnets]]:
    """Every range with every number of zones, split."""
    for cidr in RANGES:
        for zones in range(1, MOST_ZONES + 1):
            yield cidr, zones, split(cidr, zones)


def flat(subnets: Subnets) -> list[IPv4Network]:
    return [net for tier in TIERS for net in subnets[tier]]


def given(**tiers: list[str]) -> Subnets:
    sound = {tier: [f"10.42.{n}.0/26", f"10.42.{n}.64/26"] for n, tier in enumerate(TIERS)}
    return {tier: [IPv4Network(net) for net in nets] for tier, nets in (sound | tiers).items()}


def test_each_tier_has_a_subnet_for_each_zone() -> None:
    for cidr, zones, made in each():
        assert {tier: len(nets) for tier, nets in made.items()} == dict.fromkeys(TIERS, zones), cidr


def test_every_subnet_is_a_sixteenth_inside_the_range() -> None:
    for cidr, _, made in each():
        for net in flat(made):
            assert net.subnet_of(cidr)
            assert net.prefixlen == cidr.prefixlen + 4 <= SMALLEST


def test_no_two_subnets_overlap() -> None:
    for cidr, zones, made in each():
        assert not [pair for pair in combinations(flat(made), 2) if pair[0].overlaps(pair[1])], (cidr, zones)


def test_adding_a_zone_moves_no_subnet() -> None:
    for cidr, zones, made in each():
        more = split(cidr, min(zones + 1, MOST_ZONES))
        assert all(more[tier][:zones] == made[tier] for tier in TIERS), cidr


def test_a_quarter_of_the_range_is_left_for_a_fourth_tier() -> None:
    for cidr, _, made in each():
        *_, last = cidr.subnets(prefixlen_diff=2)
        assert not [net for net in flat(made) if net.overlaps(last)], cidr


def test_what_is_split_is_what_would_be_taken_if_it_were_given() -> None:
    for cidr, zones, made in each():
        assert list(problems(cidr, made, zones)) == []
        assert list(problems(cidr, dict.fromkeys(TIERS, ()), zones)) == []


@pytest.mark.parametrize("cidr", ["10.0.0.0/15", "10.0.0.0/24", "10.0.0.0/25", "10.0.0.0/8", "10.0.0.0/28"])
def test_a_range_that_cannot_be_split_is_refused(cidr: str) -> None:
    assert list(problems(IPv4Network(cidr), {}, 2)) == [f"network.cidr is {cidr}: it must have a prefix of /16 to /23"]


@pytest.mark.parametrize(
    ("subnets", "clauses"),
    [
        (given(), []),
        (
            given(app=["10.42.0.0/29", "10.42.1.0/26"]),
            [
                "network.appSubnets[0] is 10.42.0.0/29: a subnet has a prefix of /16 to /28",
                "network.dataSubnets[0] is 10.42.1.0/26: it overlaps network.appSubnets[1], 10.42.1.0/26",
            ],
        ),
        (
            given(public=["10.42.2.0/27", "10.42.2.32/28"]),
            [
                "network.publicSubnets[1] is 10.42.2.32/28: a load balancer's subnet has a prefix of /16 to /27",
            ],
        ),
        (
            given(app=["10.0.0.0/15", "10.42.3.0/26"]),
            [
                "network.appSubnets[0] is 10.0.0.0/15: a subnet has a prefix of /16 to /28",
            ],
        ),
        (
            given(data=["10.43.0.0/26", "10.42.3.0/26"]),
            [
                "network.dataSubnets[0] is 10.43.0.0/26: it must lie inside network.cidr, 10.42.0.0/16",
            ],
        ),
        (
            given(data=["10.42.3.0/26", "10.42.3.32/27"]),
            [
                "network.dataSubnets[1] is 10.42.3.32/27: it overlaps network.dataSubnets[0], 10.42.3.0/26",
            ],
        ),
        (
            given(public=["10.42.2.0/26"]),
            [
                "network.publicSubnets has 1: name one for each of 2 zones, or none for a split cidr",
            ],
        ),
        (
            given(app=[], data=[]),
            [
                "network.appSubnets has 0: name one for each of 2 zones, or none for a split cidr",
                "network.dataSubnets has 0: name one for each of 2 zones, or none for a split cidr",
            ],
        ),
    ],
    ids=[
        "sound",
        "too small",
        "too small for a balancer",
        "too large",
        "outside",
        "overlapping",
        "too few",
        "half given",
    ],
)
def test_given_subnets_are_checked_all_at_once(subnets: Subnets, clauses: list[str]) -> None:
    assert list(problems(CIDR, subnets, 2)) == clauses
