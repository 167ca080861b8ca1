"""The rules between settings: what each alone may say, and together they may not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cutover.schema import authorities
from infra.naming import Names
from infra.settings import subnets
from infra.settings.access import MOST_RULES
from infra.settings.keys import Settings
from infra.settings.sections import SHA256
from outputs.placeholders import LATER

Find = Callable[[Settings, str], Iterator[str]]


@dataclass(frozen=True)
class _Rule:
    """`needs` are the paths of the keys without which the rule cannot be judged."""

    needs: frozenset[str]
    find: Find


_RULES: list[_Rule] = []


def _needs(*keys: str) -> Callable[[Find], Find]:
    def register(find: Find) -> Find:
        _RULES.append(_Rule(frozenset(keys), find))
        return find

    return register


def broken(settings: Settings, stack: str, wrong: frozenset[str] = frozenset()) -> list[str]:
    """Every broken rule as a clause. `wrong` are paths whose values are wrong by themselves: rules that need one of
    them, or what is in it or around it, are left out."""
    return [
        clause
        for rule in _RULES
        if not any(_within(need, path) or _within(path, need) for need in rule.needs for path in wrong)
        for clause in rule.find(settings, stack)
    ]


def _within(path: str, other: str) -> bool:
    return f"{path}.".startswith(f"{other}.")


@_needs("track", "base")
def _a_candidate_has_a_base(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.track == "candidate" and not settings.base:
        yield "track is candidate: set 'base' to the stack that owns its slot"
    if settings.track == "stable" and settings.base:
        yield "track is stable: remove 'base'; only a candidate stands on another stack"


@_needs("runtime", "database.access")
def _a_machines_own_database_is_reached_directly(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "docker" and settings.database.access == "tunnel":
        yield "database.access is tunnel: a docker stack's database is on this machine; set it to direct"


@_needs("runtime", "machine")
def _a_machine_belongs_to_docker(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "docker" and settings.machine is None:
        yield "runtime is docker: 'machine' is missing; make up writes it"
    if settings.runtime == "fargate" and settings.machine is not None:
        yield "runtime is fargate: remove 'machine'; it belongs to docker stacks"


@_needs("runtime", "adapters.guardrails", "executorUrl")
def _real_guardrails_come_from_an_executor(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and settings.adapters.guardrails == "production" and not settings.executor_url:
        yield "executorUrl is not set: real guardrails come from there; set it, or set adapters.guardrails to mock"


@_needs("runtime", "executorUrl")
def _the_executor_is_reached_over_tls_on_aws(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and (settings.executor_url or "https").partition(":")[0] != "https":
        yield (
            f"executorUrl is {json.dumps(settings.executor_url)}: on fargate it must be https; the way to the executor "
            "leaves the VPC, and the console's page may not ask http"
        )


@_needs("runtime", "track", "image")
def _an_image_is_a_digest(settings: Settings, _stack: str) -> Iterator[str]:
    if not settings.has_release:
        if settings.runtime == "docker" or settings.track == "candidate":
            yield "image is later: that is for a stable stack on fargate, whose repositories come first; name a digest"
    elif not re.fullmatch(SHA256 if settings.runtime == "docker" else rf"[^\s@]+@{SHA256}", settings.image):
        form = "an image id sha256:…" if settings.runtime == "docker" else "repository@sha256:…, never a tag"
        yield f"image is {json.dumps(settings.image)}: on {settings.runtime} it must be {form}"


@_needs("runtime", "image", "edge.image")
def _nginx_is_a_digest_on_aws(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime != "fargate":
        return
    if LATER in (settings.image, settings.edge.image):
        if settings.image != settings.edge.image:
            yield (
                f"image is {json.dumps(settings.image)} and edge.image is {json.dumps(settings.edge.image)}: a task "
                "runs both; set both to later, and when both are pushed to their digests"
            )
        return
    if settings.edge.image is None:
        yield "edge.image is not set: on fargate nginx runs beside the app; name its image, repository@sha256:…"
    elif not re.fullmatch(rf"[^\s@]+@{SHA256}", settings.edge.image):
        yield f"edge.image is {json.dumps(settings.edge.image)}: it must be repository@sha256:…, never a tag"


@_needs("runtime", "track", "image", "rollout.watchImage")
def _somebody_watches_on_aws(settings: Settings, _stack: str) -> Iterator[str]:
    watched = settings.runtime == "fargate" and settings.track == "stable" and settings.has_release
    if watched and settings.rollout.watch_image is None:
        yield (
            "rollout.watchImage is not set: on fargate a task ticks each minute, and without it no gate takes a "
            "candidate back; name cutover's image, repository@sha256:…"
        )


@_needs("runtime", "track", "fargate.hostedZoneId", "fargate.certificateArn")
def _the_console_has_a_certificate(settings: Settings, _stack: str) -> Iterator[str]:
    given = [settings.fargate.hosted_zone_id, settings.fargate.certificate_arn]
    if settings.runtime == "fargate" and settings.track == "stable" and given == [None, None]:
        yield (
            "fargate has no certificate: set fargate.hostedZoneId to have a certificate issued, or "
            "fargate.certificateArn to use an existing one"
        )


@_needs("fargate.tasks", "fargate.mostTasks", "fargate.cpu", "fargate.memory")
def _tasks_are_of_a_size_that_fargate_has(settings: Settings, _stack: str) -> Iterator[str]:
    fargate = settings.fargate
    if fargate.most_tasks < fargate.tasks:
        yield f"fargate.mostTasks is {fargate.most_tasks}: it must not be fewer than fargate.tasks, {fargate.tasks}"
    sizes = _MEMORY[fargate.cpu]
    if fargate.memory not in sizes:
        yield (
            f"fargate.memory is {fargate.memory}: with cpu {fargate.cpu} Fargate has {sizes[0]} to {sizes[-1]} MiB in "
            f"steps of {sizes[1] - sizes[0]}"
        )


@_needs("runtime", "machine", "fargate.wafRequests", "fargate.mostTasks", "edge.ratePerMinute", "edge.burst")
def _the_firewall_refuses_nothing_that_nginx_lets_through(settings: Settings, _stack: str) -> Iterator[str]:
    asked, least = settings.fargate.waf_requests, settings.let_through
    if settings.runtime == "fargate" and asked is not None and asked < least:
        yield (
            f"fargate.wafRequests is {asked}: nginx of {settings.fargate.most_tasks} tasks lets {least} through in "
            "300 s; set that or more, or remove it"
        )


@_needs("runtime", "track", "network.vpcId", "edge.trustedProxies")
def _the_balancers_addresses_are_known(settings: Settings, _stack: str) -> Iterator[str]:
    there = settings.runtime == "fargate" and settings.track == "stable" and settings.network.vpc_id
    if there and not settings.edge.trusted_proxies:
        yield "edge.trustedProxies is empty: in an existing VPC name the ranges of the load balancer's subnets"


@_needs("runtime", "track", "edge.trustedCallers")
def _somebody_may_ask_for_a_track_on_aws(settings: Settings, _stack: str) -> Iterator[str]:
    callers = settings.edge.trusted_callers
    if settings.runtime == "fargate" and settings.track == "stable" and not 1 <= len(callers) <= MOST_CALLERS:
        yield (
            f"edge.trustedCallers has {len(callers)} networks: name one to {MOST_CALLERS}, where smoke runs and people "
            "look at a candidate; nobody else may ask for a track"
        )


@_needs("runtime", "track", "access.clients")
def _who_may_reach_the_console_is_said(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and settings.track == "stable" and settings.access.clients is None:
        yield (
            "access.clients is not set: name the networks that may reach the console, or write anyone for the internet"
        )


@_needs("runtime", "track", "access.clients", "access.webhook", "access.auditPush", "edge.trustedCallers")
def _one_security_group_takes_all_who_may_reach_the_console(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime != "fargate" or settings.track != "stable":
        return
    rules = sum(map(len, settings.let_in.values()))
    if rules > MOST_RULES:
        yield (
            f"access and edge.trustedCallers amount to {rules} rules, two for each network of clients: a security "
            f"group takes {MOST_RULES}; name wider networks"
        )


MOST_CALLERS = 4
"""A listener rule takes five values in all, and one is the track."""
_MEMORY = {
    "256": [512, 1024, 2048],
    "512": list(range(1024, 4097, 1024)),
    "1024": list(range(2048, 8193, 1024)),
    "2048": list(range(4096, 16385, 1024)),
    "4096": list(range(8192, 30721, 1024)),
}
"""MiB that a Fargate task may have, by its CPU units."""


@_needs("evidenceBucket")
def _names_are_ones_that_aws_takes(settings: Settings, stack: str) -> Iterator[str]:
    yield from Names.of(settings, stack).problems()


@_needs("runtime", "region")
def _the_databases_authority_is_known(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and settings.region not in (known := authorities.regions()):
        yield (
            f"region is {settings.region}: cutover/schema/rds.pem has no authority of RDS there, so nobody could "
            f"verify the database; choose one of {', '.join(sorted(known))}, or add the region's to the file"
        )


@_needs("track", "runtime", "zones", "region")
def _zones_are_two_of_the_region(settings: Settings, _stack: str) -> Iterator[str]:
    zones = settings.zones
    if settings.runtime == "fargate" and settings.track == "stable" and not zones:
        yield f"zones is not set: name two zones or more of {settings.region}, so that one may fail"
    elif zones and not 2 <= len(set(zones)) == len(zones) <= subnets.MOST_ZONES:
        yield f"zones is {', '.join(zones)}: name two to {subnets.MOST_ZONES} zones, none twice"
    for zone in zones:
        if zone[:-1] != settings.region:
            yield f"zones has {zone}: it is not in region, {settings.region}"


@_needs(
    "zones",
    "network.cidr",
    "network.vpcId",
    *(f"network.{tier}Subnets" for tier in subnets.TIERS),
    *(f"network.{tier}SubnetIds" for tier in subnets.TIERS),
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
    if network.app_subnets or network.data_subnets or network.public_subnets:
        yield "network has vpcId and ranges of subnets: in an existing VPC name subnets by id, and remove the ranges"


@_needs("database.storage", "database.maxStorage")
def _storage_can_grow(settings: Settings, _stack: str) -> Iterator[str]:
    most = settings.database.max_storage
    if most is not None and most * 10 < settings.database.storage * 11:
        least = -(-settings.database.storage * 11 // 10)
        yield f"database.maxStorage is {most}: RDS wants a tenth more than database.storage, {least} or more"


@_needs("runtime", "track", "alarmTargets", "operatorRoles")
def _production_has_somebody_to_call(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and settings.track == "stable":
        if not settings.alarm_targets:
            yield "alarmTargets is empty: on AWS alarms must reach somebody; name an e-mail address or an https URL"
        if not settings.operator_roles:
            yield "operatorRoles is empty: vault and evidence would lock out whoever deploys; name their roles"


@_needs("backupWindow", "maintenanceWindow")
def _windows_are_apart(settings: Settings, _stack: str) -> Iterator[str]:
    windows = {"backupWindow": settings.backup_window, "maintenanceWindow": settings.maintenance_window}
    minutes = {name: _minutes(window) for name, window in windows.items()}
    for name, taken in minutes.items():
        if not 60 <= len(taken) <= _DAY:
            yield f"{name} is {windows[name]}: it must last an hour at least and a day at most"
    if {minute % _DAY for minute in minutes["backupWindow"]} & {
        minute % _DAY for minute in minutes["maintenanceWindow"]
    }:
        yield f"backupWindow is {settings.backup_window}: it overlaps maintenanceWindow, {settings.maintenance_window}"


_DAY = 24 * 60
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _minutes(window: str) -> range:
    """The minutes in a window HH:MM-HH:MM of every day, or ddd:HH:MM-ddd:HH:MM of every week, from its first."""

    def minute(moment: str) -> int:
        *day, hours, minutes = moment.split(":")
        return sum(_WEEK.index(name) * _DAY for name in day) + int(hours) * 60 + int(minutes)

    start, end = map(minute, window.split("-"))
    return range(start, end if end > start else end + (7 * _DAY if window[0].isalpha() else _DAY))
