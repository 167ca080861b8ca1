"""The rules between settings: what each alone may say, and together they may not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic.alias_generators import to_camel

from infra import subnets
from infra.naming import Names
from infra.sections import SHA256
from infra.settings import Settings

Find = Callable[[Settings, str], Iterator[str]]


@dataclass(frozen=True)
class _Rule:
    """`needs` are the keys without which the rule cannot be judged."""

    needs: frozenset[str]
    find: Find


_RULES: list[_Rule] = []


def _needs(*keys: str) -> Callable[[Find], Find]:
    def register(find: Find) -> Find:
        _RULES.append(_Rule(frozenset(keys), find))
        return find

    return register


def broken(settings: Settings, stack: str, wrong: frozenset[str] = frozenset()) -> list[str]:
    """Every broken rule as a clause. Rules that need a key in `wrong`, whose value is wrong by itself, are left out."""
    return [clause for rule in _RULES if not rule.needs & wrong for clause in rule.find(settings, stack)]


@_needs("track", "base")
def _a_candidate_has_a_base(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.track == "candidate" and not settings.base:
        yield "track is candidate: set 'base' to the stack that owns its slot"
    if settings.track == "stable" and settings.base:
        yield "track is stable: remove 'base', only a candidate stands on another stack"


@_needs("runtime", "databaseAccess")
def _a_machines_own_database_is_reached_directly(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "docker" and settings.database_access == "tunnel":
        yield "databaseAccess is tunnel: a docker stack's database is on this machine, set it to direct"


@_needs("runtime", "machine")
def _a_machine_belongs_to_docker(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "docker" and settings.machine is None:
        yield "runtime is docker: 'machine' is missing, 'make up' writes it"
    if settings.runtime == "fargate" and settings.machine is not None:
        yield "runtime is fargate: remove 'machine', it belongs to docker stacks"


@_needs("runtime", "adapters", "executorUrl")
def _real_guardrails_come_from_an_executor(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and settings.adapters.guardrails == "production" and not settings.executor_url:
        yield "executorUrl is not set: real guardrails come from there; set it, or adapters.guardrails to mock"


@_needs("runtime", "image")
def _an_image_is_a_digest(settings: Settings, _stack: str) -> Iterator[str]:
    if not re.fullmatch(SHA256 if settings.runtime == "docker" else rf"[^\s@]+@{SHA256}", settings.image):
        form = "an image id sha256:…" if settings.runtime == "docker" else "repository@sha256:…, never a tag"
        yield f"image is {json.dumps(settings.image)}: on {settings.runtime} it must be {form}"


@_needs("runtime", "edgeImage")
def _nginx_is_a_digest_on_aws(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime != "fargate":
        return
    if settings.edge_image is None:
        yield "edgeImage is not set: on fargate nginx runs beside the app, name its image, repository@sha256:…"
    elif not re.fullmatch(rf"[^\s@]+@{SHA256}", settings.edge_image):
        yield f"edgeImage is {json.dumps(settings.edge_image)}: it must be repository@sha256:…, never a tag"


@_needs("runtime", "track", "fargate")
def _the_console_has_a_certificate(settings: Settings, _stack: str) -> Iterator[str]:
    given = [settings.fargate.hosted_zone_id, settings.fargate.certificate_arn]
    if settings.runtime == "fargate" and settings.track == "stable" and given == [None, None]:
        yield "fargate has neither hostedZoneId nor certificateArn: the one has a certificate made, the other is one"


@_needs("fargate")
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


@_needs("runtime", "track", "network", "trustedProxies")
def _the_balancers_addresses_are_known(settings: Settings, _stack: str) -> Iterator[str]:
    there = settings.runtime == "fargate" and settings.track == "stable" and settings.network.vpc_id
    if there and not settings.trusted_proxies:
        yield "trustedProxies is empty: in an existing VPC name the ranges of the subnets that the load balancer is in"


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


@_needs("track", "runtime", "zones", "region")
def _zones_are_two_of_the_region(settings: Settings, _stack: str) -> Iterator[str]:
    zones = settings.zones
    if settings.runtime == "fargate" and settings.track == "stable" and not zones:
        yield f"zones is not set: name two or more of {settings.region}, so that one may fail"
    elif zones and not 2 <= len(set(zones)) == len(zones) <= subnets.MOST_ZONES:
        yield f"zones is {', '.join(zones)}: two to {subnets.MOST_ZONES}, none twice"
    for zone in zones:
        if zone[:-1] != settings.region:
            yield f"zones has {zone}: it is not in region, {settings.region}"


@_needs("network", "zones")
def _subnets_fit(settings: Settings, _stack: str) -> Iterator[str]:
    network = settings.network
    ids = {"app": network.app_subnet_ids, "data": network.data_subnet_ids, "public": network.public_subnet_ids}
    if network.vpc_id is None:
        if any(ids.values()):
            yield "network has ids of subnets and no vpcId: set it, or remove them for a VPC of the stack's own"
        yield from subnets.problems(network.cidr, network.given, len(settings.placed_in))
        return
    for tier, named in ids.items():
        if len(set(named)) < 2:
            yield f"network.{tier}SubnetIds has {len(set(named))}: name two or more of the VPC, in different zones"
    if network.app_subnets or network.data_subnets or network.public_subnets:
        yield "network has vpcId and ranges of subnets: an existing VPC's are named by id"


@_needs("databaseStorage", "databaseMaxStorage")
def _storage_can_grow(settings: Settings, _stack: str) -> Iterator[str]:
    most = settings.database_max_storage
    if most is not None and most * 10 < settings.database_storage * 11:
        least = -(-settings.database_storage * 11 // 10)
        yield f"databaseMaxStorage is {most}: RDS wants a tenth more than databaseStorage, {least} or more"


@_needs("runtime", "track", "alarmTargets", "operatorRoles")
def _production_has_somebody_to_call(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and settings.track == "stable":
        if not settings.alarm_targets:
            yield "alarmTargets is empty: on AWS alarms must reach somebody, an e-mail address or an https URL"
        if not settings.operator_roles:
            yield "operatorRoles is empty: the vault and the evidence would lock out whoever deploys; name their roles"


@_needs("backupWindow", "maintenanceWindow")
def _windows_are_apart(settings: Settings, _stack: str) -> Iterator[str]:
    windows = {"backupWindow": settings.backup_window, "maintenanceWindow": settings.maintenance_window}
    minutes = {name: _minutes(window) for name, window in windows.items()}
    for name, taken in minutes.items():
        if not 60 <= len(taken) <= _DAY:
            yield f"{name} is {windows[name]}: it must last an hour, ElastiCache's least, to a day"
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


_EXAMPLE = r"(?<![\w-])example\.com\b"
PLACEHOLDERS = {
    "account": "111122223333",
    "domain": _EXAMPLE,
    "executor_url": _EXAMPLE,
    "image": "0{64}|111122223333",
    "build_sha": "0000000",
    "edge_image": "0{64}|111122223333",
    "fargate": "Z0{20}",
    "alarm_targets": _EXAMPLE,
    "operator_roles": "111122223333",
}
"""What the committed stack files say until somebody puts the real thing there: a pattern for each."""


def placeholders(settings: Settings) -> dict[str, str]:
    """The settings of an AWS stack that still hold a committed file's placeholder: key and value."""
    if settings.machine is not None:
        return {}
    values = {name: json.dumps(settings.model_dump(mode="json")[name]) for name in PLACEHOLDERS}
    return {to_camel(name): values[name] for name, sign in PLACEHOLDERS.items() if re.search(sign, values[name])}
