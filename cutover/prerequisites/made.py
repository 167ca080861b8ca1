"""What the ups of the first day make, and what people do between them."""

from __future__ import annotations

import socket
import ssl
from ipaddress import ip_address, ip_network

from cutover.edge import connected
from cutover.errors import ImageError
from cutover.images.registry import Registry
from cutover.prerequisites.balancer import Balancer
from cutover.prerequisites.facts import Facts, MissingError
from outputs.placeholders import LATER

CHANNEL = "SLACK_WEBHOOK_URL"
SECONDS = 5.0
"""How long the balancer may take to answer."""


def repositories(facts: Facts) -> str:
    """There is a place to push images to."""
    registry = _registry(facts)
    try:
        registry.client.describe_repositories(repositoryNames=[registry.app, registry.edge, registry.watch])
    except registry.client.exceptions.RepositoryNotFoundException:
        up = f"cutover up -s {facts.stack}, which makes the data layer and them"
        ready = {facts.settings.get("image"), facts.section("edge").get("image")} == {LATER}
        raise MissingError(
            f"{registry.app}, {registry.edge} and {registry.watch} are not all there",
            up if ready else f"set image and edge.image to later, commit, then {up}",
        ) from None
    return f"{registry.app}, {registry.edge}, {registry.watch}"


def on_call(facts: Facts) -> str:
    """Whoever is on call has confirmed to AWS that alarms may be sent."""
    topic = f"arn:aws:sns:{facts.region}:{facts.account}:{facts.prefix}-alarms"
    pages = facts.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    confirmed = {
        each["Endpoint"]
        for page in pages
        for each in page["Subscriptions"]
        if each["SubscriptionArn"].startswith("arn:")
    }
    targets = facts.settings.get("alarmTargets") or ()
    if deaf := [target for target in targets if target not in confirmed]:
        raise MissingError(
            f"not confirmed: {', '.join(deaf)}", "have each follow the link in the message that AWS has sent it"
        )
    return f"{len(targets)} confirmed"


def images(facts: Facts) -> str:
    """The three images are in the repositories, by the digests that the file names."""
    registry = _registry(facts)
    push = (
        f"cutover image push -s {facts.stack} IMAGE --edge NGINX --watch CUTOVER, and commit the lines that it prints"
    )
    elsewhere = []
    for key, name in _images(facts).items():
        address, _, digest = str(name).partition("@")
        host, _, repository = address.partition("/")
        if name in (None, LATER):
            raise MissingError(f"{key} is {name or 'not set'}", push)
        if host != registry.host:
            elsewhere.append(key)
            continue
        try:
            found = registry.find(repository, imageDigest=digest)
        except ImageError as error:
            raise MissingError(str(error), push) from None
        if found is None:
            raise MissingError(f"{repository} has no image {digest}", push)
    return f"not looked at, in another registry: {', '.join(elsewhere)}" if elsewhere else "all are there, by digest"


def way_of_ticks(facts: Facts) -> str:
    """Who watches a rollout asks each track by name, from the addresses that the app subnets go out by: each is among
    those that may."""
    if facts.section("access").get("internal"):
        return "not looked at: behind an internal balancer ticks come from the app subnets"
    addresses = [str(address) for address in facts.outputs.get("egress_addresses") or ()]
    networks = [ip_network(str(each), strict=False) for each in facts.section("edge").get("trustedCallers") or ()]
    if strange := [one for one in addresses if not any(ip_address(one) in network for network in networks)]:
        listed = ", ".join(f"{one}/32" for one in strange)
        raise MissingError(
            f"a tick asks each track from {', '.join(strange)}, and edge.trustedCallers does not have it",
            f"add {listed} to edge.trustedCallers in Pulumi.{facts.stack}.yaml, commit, then "
            f"cutover up -s {facts.stack}",
        )
    return f"from {', '.join(addresses)}" if addresses else "not known: in a VPC of yours the stack makes no gateway"


def balancer(facts: Facts) -> str:
    """The release has a balancer: an up with images makes it."""
    if "traffic" not in facts.outputs:
        raise MissingError("there is none yet", f"cutover up -s {facts.stack}, with the images in its file")
    return "there"


def way_here(facts: Facts) -> str:
    """From here the balancer is reached, and shows a certificate for the console's name: so the release can be smoked,
    wherever DNS leads."""
    address, domain = Balancer.of(facts).address, str(facts.settings["domain"])
    try:
        connected(f"https://{domain}", address, None, SECONDS).close()
    except ssl.SSLCertVerificationError as error:
        raise MissingError(
            f"{address} shows a certificate that is not believed for {domain} ({error.verify_message})",
            f"name a certificate for {domain}, of a public authority, in fargate.certificateArn",
        ) from None
    except OSError as error:
        raise MissingError(
            f"from here {address} does not answer ({error})",
            "type it where the balancer lets in: access.clients and edge.trustedCallers have the networks",
        ) from None
    return f"{address} answers for {domain}"


def database(facts: Facts) -> str:
    """The audit database has its roles and its schema."""
    version = (facts.outputs.get("schema") or {}).get("version", 0)
    if not version:
        access = facts.section("database").get("access", "direct")
        way = f"pulumi config set --path web-next:database.access tunnel -s {facts.stack}, commit, then "
        raise MissingError(
            f"no schema; database.access is {access}",
            f"{way if access == LATER else ''}cutover up -s {facts.stack}",
        )
    return f"schema {version}"


def channel(facts: Facts) -> str:
    """Alerts have an address."""
    return _put(facts, CHANNEL)


def credentials(facts: Facts) -> str:
    """What the app shows to others has been put into the vault, as far as the settings ask for it."""
    asked = {
        "EXECUTOR_TOKEN": facts.settings.get("executorAuth") == "bearer",
        "OTLP_HEADERS": str(facts.section("telemetry").get("headers")).lower() == "true",
    }
    return "; ".join(_put(facts, entry) for entry, wanted in asked.items() if wanted) or "none are asked for"


def release(facts: Facts) -> str:
    """The release has been proven and recorded."""
    if "deployment_record" not in facts.outputs:
        raise MissingError("nothing is recorded", f"cutover up -s {facts.stack}, until it ends with GO")
    return f"{(facts.outputs.get('release') or {}).get('version')} is recorded"


def console_record(facts: Facts) -> str:
    """The console's name leads to the stack's balancer: the day's last step."""
    balancer, domain = Balancer.of(facts).address, str(facts.settings["domain"])
    there, here = _addresses(balancer), _addresses(domain)
    if not there & here:
        ours = facts.section("fargate").get("hostedZoneId")
        raise MissingError(
            f"{domain} leads to {', '.join(sorted(here)) or 'nobody'}, the balancer is {balancer}",
            f"cutover dns move -s {facts.stack}"
            if ours
            else f"have {domain} lead to {balancer}, by an alias or a CNAME",
        )
    return f"{domain} leads to the balancer"


def _put(facts: Facts, entry: str) -> str:
    name = f"{facts.prefix}/{entry}"
    vault = facts.client("secretsmanager")
    try:
        stages = vault.describe_secret(SecretId=name).get("VersionIdsToStages", {})
    except vault.exceptions.ResourceNotFoundException:
        raise MissingError(f"{name} is not there", f"cutover up -s {facts.stack}, which declares it") from None
    if not any("AWSCURRENT" in each for each in stages.values()):
        raise MissingError(f"{name} has no value", 'put it, docs/runbook.md "Put a secret"')
    return f"{name} has a value"


def _addresses(name: str) -> set[str]:
    try:
        return {str(each[4][0]) for each in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _registry(facts: Facts) -> Registry:
    return Registry.of(facts.stack, facts.file["config"])


def _images(facts: Facts) -> dict[str, str | None]:
    return {
        "image": facts.settings.get("image"),
        "edge.image": facts.section("edge").get("image"),
        "rollout.watchImage": facts.section("rollout").get("watchImage"),
    }
