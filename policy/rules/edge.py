"""The rendered nginx file itself, in a task's environment or on this machine's volume."""

from __future__ import annotations

import json
from collections.abc import Iterator

from policy.access import PRIVATE, Access, beyond
from policy.nginx import Directive, NginxError, parse
from policy.resources import NotKnownError, Resource, Stack
from policy.rule import rule
from policy.rules.containers import TASK, containers

FILES = "pulumi-python:dynamic/web-next:EdgeFiles"
SECURITY_HEADERS = (
    "X-Content-Type-Options",
    "X-Frame-Options",
    "Strict-Transport-Security",
    "Content-Security-Policy",
)
TLS = {"TLSv1.2", "TLSv1.3"}
FIGURES = (
    ("limit_req_zone", "api", "rate={}r/m", "ratePerMinute", 60),
    ("limit_req", "api", "burst={}", "burst", 10),
    ("limit_req_zone", "webhook", "rate={}r/m", "webhookRatePerMinute", 120),
    ("limit_req", "webhook", "burst={}", "webhookBurst", 60),
    ("limit_req_zone", "pages", "rate={}r/m", "pagesPerMinute", 1200),
)
AT_A_TIME = ("requests", 100)
"""Where keys of web-next:edge stand, and what holds where it says nothing."""
SAID = {"400", "403", "404", "405", "413", "414", "429", "500", "501", "502", "503", "504"}
"""What nginx says itself, and never as a page of its own."""
LEAST_ZONE_MIB = 1
"""About 16,000 addresses; a full zone answers everybody with the limit's status."""


def _files(resource: Resource) -> list[Directive]:
    """The nginx files of a resource, read. Raises NotKnownError; a file that cannot be read is the first rule's."""
    if resource.type == FILES:
        texts = [resource.get("config")]
    else:
        texts = [text for one in containers(resource) if (text := one.environment.get("EDGE_CONFIG"))]
    try:
        return [parse(text) for text in texts]
    except NginxError:
        return []


@rule(
    "edge-readable",
    TASK,
    FILES,
    severity="high",
    todo="mend templates/nginx.conf.j2; nginx -t says where",
)
def readable(resource: Resource, _stack: Stack) -> Iterator[str]:
    """The edge's file is nginx's, and a server in it answers"""
    texts = [resource.get("config")] if resource.type == FILES else []
    if resource.type == TASK:
        found = [one for one in containers(resource) if one.name == "edge"]
        texts = [one.environment.get("EDGE_CONFIG", "") for one in found]
    for text in texts:
        try:
            if not list(_servers(parse(text))):
                yield "no server in it"
        except NginxError as error:
            yield str(error)


@rule(
    "edge-limited",
    TASK,
    FILES,
    severity="high",
    todo="keep the zones, limit_req_status 429, limit_req in each location, and limit_conn; web-next:edge has figures",
)
def limited(resource: Resource, stack: Stack) -> Iterator[str]:
    """One address may send what web-next:edge says and no more, at a time and a minute, and gets a 429 above it"""
    for file in _files(resource):
        yield from _rates(file, stack)
        zones = {}
        for zone in file.all("limit_req_zone"):
            told = dict(one.partition("=")[::2] for one in zone.args[1:])
            name, _, size = told["zone"].partition(":")
            zones[name] = zone.args[0]
            if zone.args[0] != "$binary_remote_addr" and name != "pages":
                yield f"the limit's key is {zone.args[0]}"
            if not size.endswith("m") or int(size[:-1]) < LEAST_ZONE_MIB:
                yield f"the zone has {size}"
        if (status := [one.args[0] for one in file.all("limit_req_status")]) != ["429"]:
            yield f"limit_req_status {', '.join(status) or '503, by default'}"
        paths = [one for one in file.all("location") if list(one.own("proxy_pass"))]
        if "/api/" not in (path.args[-1] for path in paths):
            yield "no location /api/"
        for path in paths:
            used = [dict(arg.partition("=")[::2] for arg in one.args).get("zone") for one in path.own("limit_req")]
            if not any(one in zones for one in used):
                yield f"no limit in location {path.args[-1]}"
        if any(one.args[0] == "on" for one in file.all("limit_req_dry_run")):
            yield "limit_req_dry_run on: it counts and lets through"


@rule(
    "edge-trusts-few",
    TASK,
    FILES,
    severity="high",
    todo="trust the balancer's own subnets by edge.trustedProxies, and read X-Forwarded-For from them alone",
)
def trusts_few(resource: Resource, stack: Stack) -> Iterator[str]:
    """A client's address is taken from a header that the balancer writes, and from nobody else's"""
    for file in _files(resource):
        trusted = [one.args[0] for one in file.all("set_real_ip_from")]
        if wide := beyond(trusted, [*PRIVATE, *_access(stack, resource).proxies]):
            yield f"X-Forwarded-For is believed from {', '.join(wide)}"
        if trusted and [one.args for one in file.all("real_ip_recursive")] != [["on"]]:
            yield "real_ip_recursive is not on: the first address in the header counts, which anybody writes"
        for geo in file.all("geo"):
            if geo.args[-1] != "$trusted_caller":
                continue
            networks = _let_in(geo)
            if wider := beyond(networks, _access(stack, resource).trusted):
                yield f"$trusted_caller has {', '.join(wider)}, which edge.trustedCallers has not"


@rule(
    "edge-as-access",
    TASK,
    FILES,
    severity="high",
    todo="change web-next:access, which balancer and edge follow, and nothing beside it",
)
def as_access(resource: Resource, stack: Stack) -> Iterator[str]:
    """The edge answers whom web-next:access names, and refuses everybody else before anything"""
    for file in _files(resource):
        lists = {geo.args[-1].removeprefix("$may_"): geo for geo in file.all("geo") if "$may_" in geo.args[-1]}
        for part, networks in _access(stack, resource).parts.items():
            if part not in lists:
                yield f"no list for {part}"
            elif wider := beyond(_let_in(lists[part]), networks):
                yield f"{part} is open to {', '.join(wider)}"
        for server in (one for one in _servers(file) if not _of_this_machine(one)):
            refusals = [one for one in server.own("if") if "".join(one.args) == "($refused)"]
            if not any(inner.args[:1] == ["403"] for one in refusals for inner in one.own("return")):
                yield "a server without `if ($refused) { return 403; }`"


@rule(
    "edge-tls",
    TASK,
    FILES,
    severity="high",
    todo="listen with ssl, ssl_protocols TLSv1.2 TLSv1.3, ssl_ciphers of GCM or CHACHA20; in a task the balancer does",
)
def tls(resource: Resource, _stack: Stack) -> Iterator[str]:
    """Where nginx is the first that a client meets it speaks TLS 1.2 or newer, and authenticates what it encrypts"""
    for file in _files(resource):
        for server in (one for one in _servers(file) if not _of_this_machine(one)):
            if resource.type == FILES and not all("ssl" in one.args for one in server.own("listen")):
                yield f"listens at {', '.join(one.args[0] for one in server.own('listen'))} without ssl"
        if old := {name for one in file.all("ssl_protocols") for name in one.args} - TLS:
            yield f"ssl_protocols {', '.join(sorted(old))}"
        named = [name for one in file.all("ssl_ciphers") for name in one.args[0].split(":")]
        if resource.type == FILES and not named:
            yield "no ssl_ciphers: those of CBC are among nginx' own"
        if weak := [name for name in named if "GCM" not in name and "CHACHA20" not in name]:
            yield f"ssl_ciphers {', '.join(weak)}"


@rule(
    "edge-hides-and-guards",
    TASK,
    FILES,
    severity="medium",
    todo="keep server_tokens off, the four headers for nginx's own answers, and the steering headers cleared",
)
def hides_and_guards(resource: Resource, _stack: Stack) -> Iterator[str]:
    """nginx names no version, guards its own answers, and passes on neither track nor address that a client made up"""
    for file in _files(resource):
        if [one.args for one in file.all("server_tokens")] != [["off"]]:
            yield "server_tokens is not off"
        added = {one.args[0] for one in file.all("add_header")}
        if missing := [one for one in SECURITY_HEADERS if one not in added]:
            yield f"no {', '.join(missing)}"
        passed = {one.args[0].lower(): one.args[1] for one in file.all("proxy_set_header")}
        for header, value in {
            "x-web-next-track": "",
            "x-forwarded-for": "$remote_addr",
            "x-web-next-traffic": "$traffic",
        }.items():
            if passed.get(header) != value:
                yield f"{header} goes to the app as {passed.get(header, 'the client wrote it')}"
        if [one.args for one in file.all("proxy_next_upstream")] != [["off"]]:
            yield "proxy_next_upstream is not off: a request is tried on the other track"
        most = ["256k", *("16k" for _ in file.all("http2"))]  # whose GET may have a body that no header announces
        if (sizes := [" ".join(one.args) for one in file.all("client_max_body_size")]) != most:
            yield f"client_max_body_size is {', '.join(sizes) or 'nowhere'}, not {' and '.join(most)}"
        if [one.args for one in file.all("absolute_redirect")] != [["off"]]:
            yield "absolute_redirect is not off: nginx leads to whichever host the client named"
        if own := SAID - {status for one in file.all("error_page") for status in one.args}:
            yield f"nginx answers {', '.join(sorted(own))} with a page of its own"


@rule(
    "edge-logged",
    TASK,
    FILES,
    severity="high",
    todo="keep access_log to /dev/stdout in the format edge, and no `access_log off`",
)
def logged(resource: Resource, _stack: Stack) -> Iterator[str]:
    """Every answer is logged with track, status and time: the gates read nothing else"""
    for file in _files(resource):
        logs = [one.args for one in file.all("access_log")]
        if not any(args[:2] == ["/dev/stdout", "edge"] for args in logs):
            yield "no access_log /dev/stdout in the format edge"
        if ["off"] in logs or any(arg.startswith("if=") for args in logs for arg in args):
            yield "some answers are not logged"
        formats = {one.args[0]: "".join(one.args[1:]) for one in file.all("log_format")}
        if lacks := [name for name in ("$track", "$status", "$request_time") if name not in formats.get("edge", "")]:
            yield f"the format has no {', '.join(lacks)}"


def _rates(file: Directive, stack: Stack) -> Iterator[str]:
    edge = json.loads(stack.config.get("web-next:edge", "{}"))
    for directive, zone, form, *figure in FIGURES:
        told = form.format(edge.get(*figure))
        for one in file.all(directive):
            if f"zone={zone}" in {arg.partition(":")[0] for arg in one.args} and told not in one.args:
                yield f"{' '.join(one.args)}, and {told} is configured"
    most = ["requests", str(edge.get(*AT_A_TIME))]
    if most not in [one.args for http in file.own("http") for one in http.own("limit_conn")]:
        yield f"no limit_conn {' '.join(most)}"


def _let_in(geo: Directive) -> list[str]:
    """The networks to which a list of ones and noughts says one; `default` is everybody."""
    return ["0.0.0.0/0" if one.name == "default" else one.name for one in geo.block if one.args != ["0"]]


def _servers(file: Directive) -> Iterator[Directive]:
    return (server for http in file.own("http") for server in http.own("server"))


def _of_this_machine(server: Directive) -> bool:
    return all(one.args[0].startswith("127.0.0.1:") for one in server.own("listen"))


def _access(stack: Stack, asking: Resource) -> Access:
    if not (access := Access.of(stack)):
        raise NotKnownError(asking, "web-next:access of the stack's configuration")
    return access
