"""What settings name that is outside the stack: it must be of the stack's own account and region, and nobody twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from ipaddress import AddressValueError, IPv4Address
from urllib.parse import urlsplit

from infra.naming import Names
from infra.settings.keys import Settings
from infra.settings.rule import Rules
from outputs.network import TIERS

RULES = Rules()
LONGEST_WAIVER = 92
"""Days: a quarter, after which somebody looks again."""
MOST_OPERATORS = 50
"""A bucket's policy takes 20 KiB, and names each of them."""


@RULES.needs("account", "operatorRoles")
def _operators_are_roles_of_the_account(settings: Settings, stack: str) -> Iterator[str]:
    names = Names(stack=stack, account=settings.account, region=settings.region)
    if len(settings.operator_roles) > MOST_OPERATORS:
        yield (
            f"operatorRoles has {len(settings.operator_roles)}: the policies that name them take {MOST_OPERATORS}; "
            "let people share roles"
        )
        return
    for role in settings.operator_roles:
        if role.split(":")[4] != settings.account:
            yield f"operatorRoles has {role}: it is not of account, {settings.account}; name a role of the stack's own"
        elif role in (names.app_role_arn, names.watch_role_arn):
            yield f"operatorRoles has {role}: the service would read what its operators alone may; name people's roles"


@RULES.needs("account", "region", "fargate.certificateArn")
def _a_certificate_is_where_the_balancer_is(settings: Settings, _stack: str) -> Iterator[str]:
    arn = settings.fargate.certificate_arn
    if arn and arn.split(":")[3:5] != [settings.region, settings.account]:
        yield (
            f"fargate.certificateArn is {arn}: a balancer takes a certificate of its own region and account alone, "
            f"{settings.region} and {settings.account}; name one of these, or set fargate.hostedZoneId"
        )


@RULES.needs("runtime", "domain")
def _the_console_has_a_name_of_the_public_dns(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime == "fargate" and "." not in settings.domain:
        yield f"domain is {settings.domain}: no authority signs a name without a dot; name the console's, whole"


@RULES.needs("runtime", "executorUrl", "telemetry.endpoint")
def _what_is_outside_is_not_the_task_itself(settings: Settings, _stack: str) -> Iterator[str]:
    if settings.runtime != "fargate":
        return
    for key, url in (("executorUrl", settings.executor_url), ("telemetry.endpoint", settings.telemetry.endpoint)):
        if url and _is_of_the_task(urlsplit(url).hostname or ""):
            yield f"{key} is {json.dumps(url)}: in a task that is the task itself; name the service by its own host"


@RULES.needs("smoke.waivers")
def _a_waiver_ends(settings: Settings, _stack: str) -> Iterator[str]:
    for waiver in settings.smoke.waivers:
        if (waiver.expires - date.today()).days > LONGEST_WAIVER:
            yield (
                f"smoke.waivers has {waiver.criterion} until {waiver.expires}: {LONGEST_WAIVER} days are the most; "
                "name a nearer day, or take the criterion out of smoke.mustPass"
            )


@RULES.needs(
    *("alarmTargets", "operatorRoles", "database.clientGroups", "smoke.mustPass", "smoke.waivers", "mayDestroy"),
    *("edge.trustedCallers", "edge.trustedProxies"),
    *(f"network.{tier}SubnetIds" for tier in TIERS),
)
def _nothing_is_named_twice(settings: Settings, _stack: str) -> Iterator[str]:
    edge, network = settings.edge, settings.network
    lists: Mapping[str, Sequence[object]] = {
        "alarmTargets": settings.alarm_targets,
        "operatorRoles": settings.operator_roles,
        "database.clientGroups": settings.database.client_groups,
        "smoke.mustPass": settings.smoke.must_pass,
        "smoke.waivers": [waiver.criterion for waiver in settings.smoke.waivers],
        "mayDestroy": settings.may_destroy,
        "edge.trustedCallers": edge.trusted_callers,
        "edge.trustedProxies": edge.trusted_proxies,
        "network.appSubnetIds": network.app_subnet_ids,
        "network.dataSubnetIds": network.data_subnet_ids,
        "network.publicSubnetIds": network.public_subnet_ids,
    }
    for key, named in lists.items():
        for one in dict.fromkeys(named):
            if named.count(one) > 1:
                yield f"{key} has {one} twice: name it once"


def _is_of_the_task(host: str) -> bool:
    try:
        address = IPv4Address(host)
    except AddressValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast
