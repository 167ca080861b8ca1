"""What settings may say together of where a stack is, and of who reaches it."""

from __future__ import annotations

from collections.abc import Iterator

from cutover.schema import authorities
from infra.settings import subnets
from infra.settings.access import ANYONE, GROUP_RULES, MOST_RULES
from infra.settings.keys import Settings
from infra.settings.rule import Rules
from outputs import partition
from outputs.network import CIDR, MOST_ZONES, TIERS, split

RULES = Rules()
WIDEST = 8
"""The prefix of the widest network that somebody has."""
MOST_CALLERS = 4
"""A listener rule takes five values in all, and one is the track."""


@RULES.needs("runtime", "track", "network.vpcId", "edge.trustedProxies")
def _the_balancers_addresses_are_known(settings: Settings, _stack: str) -> Iterator[str]:
    there = settings.runtime == "fargate" and settings.track == "stable" and settings.network.vpc_id
    if there and not settings.edge.trusted_proxies:
        yield "edge.trustedProxies is empty: in an existing VPC name the ranges of the load balancer's subnets"


@RULES.needs("runtime", "track", "edge.trustedCallers")
def _somebody_may_ask_for_a_track_on_aws(settings: Settings, _stack: str) -> Iterator[str]:
    callers = settings.edge.trusted_callers
    if settings.runtime == "fargate" and settings.track == "stable" and not 1 <= len(callers) <= MOST_CALLERS:
        yield (
            f"edge.trustedCallers has {len(callers)} networks: name one to {MOST_CALLERS}, where smoke runs and people "
            "look at a candidate; nobody else may ask for a track"
        )


@RULES.needs("runtime", "track", "zones", "network.nat", "access.internal")
def _every_way_out_may_ask_for_a_track(settings: Settings, _stack: str) -> Iterator[str]:
    zones = len(settings.placed_in)
    there = settings.runtime == "fargate" and settings.track == "stable" and not settings.access.internal
    if there and settings.network.nat == "per-zone" and zones >= MOST_CALLERS:
        yield (
            f"network.nat is per-zone with {zones} zones: a tick comes from as many addresses, and edge.trustedCallers "
            f"takes {MOST_CALLERS} with those of smoke; set network.nat to one, or name three zones"
        )


@RULES.needs("access.clients", "access.webhook", "access.auditPush", "edge.trustedCallers", "edge.trustedProxies")
def _no_network_is_everybodys(settings: Settings, _stack: str) -> Iterator[str]:
    lists = {
        "access.clients": settings.access.clients,
        "access.webhook": settings.access.webhook,
        "access.auditPush": settings.access.audit_push,
        "edge.trustedCallers": settings.edge.trusted_callers,
        "edge.trustedProxies": settings.edge.trusted_proxies,
    }
    for key, networks in lists.items():
        for one in networks or ():
            if one.prefixlen < WIDEST and not (one == ANYONE and key.startswith("access")):
                yield f"{key} has {one}: that is no one's network, it lets strangers in; name one of /{WIDEST} or less"


@RULES.needs("runtime", "track", "access.clients")
def _who_may_reach_the_console_is_said(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and settings.track == "stable" and settings.access.clients is None:
        yield (
            "access.clients is not set: name the networks that may reach the console, or write anyone for the internet"
        )


@RULES.needs("runtime", "track", "access.clients", "access.webhook", "access.auditPush", "edge.trustedCallers")
def _one_security_group_takes_all_who_may_reach_the_console(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime != "fargate" or settings.track != "stable":
        return
    rules = sum(map(len, settings.let_in.values()))
    if rules > MOST_RULES:
        yield (
            f"access and edge.trustedCallers amount to {rules} rules, two for each network of clients: a security "
            f"group takes {GROUP_RULES}, and an update makes new ones before it deletes old ones; name wider "
            f"networks, {MOST_RULES} rules at most"
        )


@RULES.needs("runtime", "region")
def _the_region_is_one_that_is_supported(settings: Settings, _stack: str) -> Iterator[str]:
    if refused := partition.refusal(settings.region):
        yield refused
    elif settings.runtime == "fargate" and settings.region not in (known := authorities.regions()):
        yield (
            f"region is {settings.region}: cutover/schema/rds.pem has no authority of RDS there, so nobody could "
            f"verify the database; choose one of {', '.join(sorted(known))}, or add the region's to the file"
        )


@RULES.needs("track", "runtime", "zones", "region")
def _zones_are_two_of_the_region(settings: Settings, _stack: str) -> Iterator[str]:
    zones = settings.zones
    if settings.runtime == "fargate" and settings.track == "stable" and not zones:
        yield f"zones is not set: name two zones or more of {settings.region}, so that one may fail"
    elif zones and not 2 <= len(set(zones)) == len(zones) <= MOST_ZONES:
        yield f"zones is {', '.join(zones)}: name two to {MOST_ZONES} zones, none twice"
    for zone in zones:
        if zone[:-1] != settings.region:
            yield f"zones has {zone}: it is not in region, {settings.region}"


@RULES.needs(
    "zones",
    "network.cidr",
    "network.nat",
    "network.vpcId",
    *(f"network.{tier}Subnets" for tier in TIERS),
    *(f"network.{tier}SubnetIds" for tier in TIERS),
)
def _subnets_fit(settings: Settings, _stack: str) -> Iterator[str]:
    network = settings.network
    ids = {"app": network.app_subnet_ids, "data": network.data_subnet_ids, "public": network.public_subnet_ids}
    if network.vpc_id is None:
        if any(ids.values()):
            yield "network has subnet ids and no vpcId: set network.vpcId, or remove the ids for a VPC of its own"
        yield from subnets.problems(network.cidr, network.given, len(settings.placed_in))
        return
    for tier, named in ids.items():
        if len(set(named)) < 2:
            yield f"network.{tier}SubnetIds has {len(set(named))}: name two or more of the VPC, in different zones"
        if tier != "public" and (open_ones := sorted({*named} & {*network.public_subnet_ids})):
            yield (
                f"network.{tier}SubnetIds has {', '.join(open_ones)}, and so has publicSubnetIds: the internet leads "
                "into these; name subnets without a way in"
            )
    if network.nat != "one" or network.cidr != CIDR:
        yield "network has vpcId and nat or cidr: an existing VPC has its own, and nothing is made in it; remove them"
    if network.app_subnets or network.data_subnets or network.public_subnets:
        yield "network has vpcId and ranges of subnets: in an existing VPC name subnets by id, and remove the ranges"


@RULES.needs(
    *("runtime", "track", "zones", "network.cidr", "network.vpcId", "fargate.mostTasks", "fargate.workerTasks"),
    *(f"network.{tier}Subnets" for tier in TIERS),
)
def _every_task_finds_an_address(settings: Settings, _stack: str) -> Iterator[str]:
    network, zones = settings.network, len(settings.placed_in)
    if settings.runtime != "fargate" or settings.track != "stable" or network.vpc_id:
        return
    if any(subnets.problems(network.cidr, network.given, zones)):
        return
    room = subnets.room(network.app_subnets or split(network.cidr, zones)["app"])
    workers = settings.fargate.worker_tasks
    if (most := 2 * (settings.fargate.most_tasks + workers)) > room:
        yield (
            f"fargate.mostTasks is {settings.fargate.most_tasks}: the app subnets have {room} addresses for tasks, and "
            f"with fargate.workerTasks, each beside the one that it replaces, they would be {most}; set "
            f"{room // 2 - workers} or less, or a wider network.cidr or appSubnets"
        )
