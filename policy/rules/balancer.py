"""The load balancer: how wide it is open, and how it speaks."""

from __future__ import annotations

from collections.abc import Iterator

from policy.access import Access, beyond
from policy.resources import NotKnownError, Resource, Stack
from policy.rule import rule
from policy.rules.network import GROUP, foreign, openings

BALANCER, LISTENER, LISTENER_RULE = (
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:lb/listener:Listener",
    "aws:lb/listenerRule:ListenerRule",
)
GOOD_TLS = ("ELBSecurityPolicy-TLS13-1-2-Res-", "ELBSecurityPolicy-TLS13-1-3-")
"""TLS 1.2 or newer; of those with 1.2, the restricted ones alone have no ciphers of CBC."""
SUBNET, LEAST_ZONES = "aws:ec2/subnet:Subnet", 2
TRACK_HEADER = "x-web-next-track"


@rule(
    "balancer-as-access",
    BALANCER,
    severity="high",
    covers=["FSBP EC2.18"],
    todo="change web-next:access, which balancer and edge follow, and nothing beside it",
)
def as_access(balancer: Resource, stack: Stack) -> Iterator[str]:
    """A balancer lets in whom web-next:access names, at 80 and 443, and nobody else"""
    access = _access(stack, balancer)
    if access.internal and balancer.get("internal") is not True:
        yield f"internal {balancer.get('internal')}, and access says internal"
    asked = {80: access.parts["console"], 443: access.everybody_named}
    groups = stack.behind(balancer, "securityGroups", GROUP)
    yield from foreign(balancer, "securityGroups", groups)
    for opening in (one for group in groups for one in openings(stack, group)):
        first, last = opening.ports
        if opening.protocol != "tcp" or first != last or first not in asked:
            yield f"{opening.by.name} opens {opening.protocol} {first}-{last}"
        elif wider := beyond(opening.networks, asked[first]):
            yield f"{opening.by.name} lets in {', '.join(wider)} at {first:g}"
        elif not opening.networks:
            yield f"{opening.by.name} lets in a group, and access names networks"


@rule(
    "balancer-tls",
    LISTENER,
    LISTENER_RULE,
    severity="high",
    covers=["FSBP ELB.1", "FSBP ELB.17", "FSBP ELB.18"],
    todo="redirect HTTP to HTTPS, and set ssl_policy to one of ELBSecurityPolicy-TLS13-1-2-Res",
)
def tls(resource: Resource, stack: Stack) -> Iterator[str]:
    """A balancer answers over TLS 1.2 or newer, and leads whoever comes without to it"""
    if resource.type == LISTENER_RULE:
        plain = [one for one in stack.behind(resource, "listenerArn", LISTENER) if one.get("protocol") != "HTTPS"]
        actions = resource.all("actions") if plain else []
    elif resource.get("protocol") == "HTTPS":
        policy, actions = str(resource.get("sslPolicy")), []
        if not policy.startswith(GOOD_TLS):
            yield f"sslPolicy {policy}"
    else:
        actions = resource.all("defaultActions")
    for action in actions:
        if (action.get("redirect") or {}).get("protocol") != "HTTPS":
            yield f"without TLS it does {action.get('type')}, not a redirect to HTTPS"


@rule(
    "balancer-strict",
    BALANCER,
    severity="medium",
    covers=["FSBP ELB.4", "FSBP ELB.12"],
    todo="set drop_invalid_header_fields, and desync_mitigation_mode to strictest or defensive",
)
def strict(balancer: Resource, _stack: Stack) -> Iterator[str]:
    """A balancer passes on no request that it and the app could read differently"""
    if balancer.get("dropInvalidHeaderFields") is not True:
        yield f"dropInvalidHeaderFields {balancer.get('dropInvalidHeaderFields')}"
    if balancer.get("desyncMitigationMode") not in (None, "defensive", "strictest"):
        yield f"desyncMitigationMode {balancer.get('desyncMitigationMode')}"


@rule(
    "balancer-kept-and-logged",
    BALANCER,
    severity="medium",
    covers=["FSBP ELB.5", "FSBP ELB.6", "FSBP ELB.13"],
    todo="set enable_deletion_protection and access_logs, and give it subnets of two zones",
)
def kept_and_logged(balancer: Resource, stack: Stack) -> Iterator[str]:
    """A balancer is not deleted in passing, writes down who asked, and stands in two zones"""
    if balancer.get("enableDeletionProtection") is not True:
        yield f"enableDeletionProtection {balancer.get('enableDeletionProtection')}"
    if balancer.get("accessLogs.enabled") is not True:
        yield "no access logs"
    if (zones := len(stack.behind(balancer, "subnets", SUBNET)) or len(balancer.all("subnets"))) < LEAST_ZONES:
        yield f"{zones} subnet"


@rule(
    "balancer-track-from-trusted",
    LISTENER_RULE,
    severity="high",
    todo="join a source_ip condition with edge.trustedCallers to the header's",
)
def track_from_trusted(pin: Resource, stack: Stack) -> Iterator[str]:
    """A request chooses its track only where a trusted caller sends it"""
    conditions = pin.all("conditions")
    headers = [one["httpHeader"]["httpHeaderName"].lower() for one in conditions if one.get("httpHeader")]
    if TRACK_HEADER in headers:
        sources = [network for one in conditions for network in (one.get("sourceIp") or {}).get("values", [])]
        if not sources:
            yield "anybody's X-Web-Next-Track counts: no sourceIp"
        elif wider := beyond(sources, _access(stack, pin).trusted):
            yield f"X-Web-Next-Track counts from {', '.join(wider)}"


def _access(stack: Stack, asking: Resource) -> Access:
    if not (access := Access.of(stack)):
        raise NotKnownError(asking, "web-next:access of the stack's configuration")
    return access
