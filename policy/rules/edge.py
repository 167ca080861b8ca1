"""The edge: what its nginx file lets in, passes on and writes down."""

from __future__ import annotations

from collections.abc import Iterator

from policy.access import PRIVATE, Access, beyond
from policy.nginx import Directive, NginxError, parse
from policy.resources import NotKnownError, Resource, Stack
from policy.rule import rule
from policy.rules.containers import EDGE, TASK, containers
from policy.rules.edge_file import FILES, files, inherited, otherwise, public, refuses_first, servers
from policy.rules.edge_limits import rates, zones

SECURITY_HEADERS = (
    "X-Content-Type-Options",
    "X-Frame-Options",
    "Strict-Transport-Security",
    "Content-Security-Policy",
)
TLS = {"TLSv1.2", "TLSv1.3"}
PASSED = {
    "host": "$asked_host",
    "x-forwarded-for": "$remote_addr",
    "x-forwarded-proto": "https",
    "x-real-ip": "$remote_addr",
    "x-trace-id": "$trace_id",
    "x-web-next-track": "",
    "x-web-next-traffic": "$traffic",
}
"""What the app is told of a request, by header: it believes X-Real-IP."""
SAID = {"400", "403", "404", "405", "413", "414", "429", "500", "501", "502", "503", "504"}
"""What nginx says itself, and never as a page of its own."""
OF_LOCATION = {
    "/api/alerts/webhook": "webhook",
    "/": "pages",
    "^/(?!api/).+[.](css|ico|js|png|svg|woff2)$": "pages",
}
"""Which zone a location is limited by; every other by that of the API."""
DECIDES = (
    *("$asks_health", "$may_all", "$written_webhook", "$written_audit_push"),
    *("$listed", "$unlisted", "$stranger", "$refused"),
)
"""The variables that say who is refused."""
SEEN = ("/tmp/instance*.map",)  # noqa: S108 - in its container nobody else is
"""What is read beside the file: a start of the container writes which one it is."""


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
        found = [one for one in containers(resource) if one.name == EDGE]
        texts = [one.environment.get("EDGE_CONFIG", "") for one in found]
    for text in texts:
        try:
            if not list(servers(parse(text))):
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
    for file in files(resource):
        yield from rates(file, stack)
        yield from zones(file)
        yield from otherwise(file, "$page_reader", "$large_without_length", "$large", "$any_large")
        if (status := [one.args[0] for one in file.all("limit_req_status")]) != ["429"]:
            yield f"limit_req_status {', '.join(status) or '503, by default'}"
        paths = [one for one in file.all("location") if list(one.own("proxy_pass"))]
        if "/api/" not in (path.args[-1] for path in paths):
            yield "no location /api/"
        for path in paths:
            zone = OF_LOCATION.get(path.args[-1], "api")
            used = [dict(arg.partition("=")[::2] for arg in one.args).get("zone") for one in path.own("limit_req")]
            if zone not in used:
                yield f"location {path.args[-1]} is not limited by zone {zone}"
        if [one.args for one in file.all("limit_conn_status")] != [["429"]]:
            yield "limit_conn_status is not 429"
        for one in inherited(file, "limit_conn", "limit_req_status", "limit_conn_status"):
            yield f"{one.name} {' '.join(one.args)} in a server or location, where nothing of http's counts any more"
        if any(one.args[0] == "on" for one in file.all("limit_req_dry_run", "limit_conn_dry_run")):
            yield "dry_run on: it counts and lets through"


@rule(
    "edge-trusts-few",
    TASK,
    FILES,
    severity="high",
    todo="trust the balancer's own subnets by edge.trustedProxies, and read X-Forwarded-For from them alone",
)
def trusts_few(resource: Resource, stack: Stack) -> Iterator[str]:
    """A client's address is taken from a header that the balancer writes, and from nobody else's"""
    for file in files(resource):
        trusted = [one.args[0] for one in file.all("set_real_ip_from")]
        if wide := beyond(trusted, [*PRIVATE, *_access(stack, resource).proxies]):
            yield f"X-Forwarded-For is believed from {', '.join(wide)}"
        if trusted and [one.args for one in file.all("real_ip_recursive")] != [["on"]]:
            yield "real_ip_recursive is not on: the first address in the header counts, which anybody writes"
        if trusted and [one.args for one in file.all("real_ip_header")] != [["X-Forwarded-For"]]:
            yield "real_ip_header is not X-Forwarded-For, the one that the balancer writes"
        access = _access(stack, resource)
        for name, networks in (
            ("$trusted_caller", access.trusted),
            ("$health_asker", [*access.trusted, *access.proxies, *PRIVATE]),
        ):
            lists = [geo for geo in file.all("geo") if geo.args[-1] == name]
            if [geo.args for geo in lists] != [[name]]:
                yield f"not one list {name}, by the client's address"
            if wider := beyond((one for geo in lists for one in _let_in(geo)), networks):
                yield f"{name} has {', '.join(wider)}, which web-next:edge has not"
        for pin in (one for one in file.all("map") if one.args[-1] == "$pinned"):
            asks = [one.name for one in pin.block if one.name != "default" and one.name.partition(" ")[0] != "1"]
            if pin.args[0] != "$trusted_caller $http_x_web_next_track" or asks:
                yield "a track is chosen by others than trusted callers"


@rule(
    "edge-as-access",
    TASK,
    FILES,
    severity="high",
    todo="change web-next:access, which balancer and edge follow, and nothing beside it",
)
def as_access(resource: Resource, stack: Stack) -> Iterator[str]:
    """The edge answers whom web-next:access names, and refuses everybody else before anything"""
    for file in files(resource):
        lists = {geo.args[-1].removeprefix("$may_"): geo for geo in file.all("geo") if "$may_" in geo.args[-1]}
        for part, networks in _access(stack, resource).parts.items():
            if part not in lists:
                yield f"no list for {part}"
            elif wider := beyond(_let_in(lists[part]), networks):
                yield f"{part} is open to {', '.join(wider)}"
            elif len(lists[part].args) > 1:
                yield f"{part} is open by {lists[part].args[0]}, not by the client's address"
        yield from otherwise(file, *DECIDES)
        if unseen := [one.args[0] for one in file.all("include") if one.args[0] not in SEEN]:
            yield f"{', '.join(unseen)} is read beside the file, and nobody judges it"
        for server in public(file):
            if not refuses_first(server):
                yield "a server that does not begin with `if ($refused) { return 403; }`"


@rule(
    "edge-tls",
    TASK,
    FILES,
    severity="high",
    todo="listen with ssl, ssl_protocols TLSv1.2 TLSv1.3, ssl_ciphers of GCM or CHACHA20; in a task the balancer does",
)
def tls(resource: Resource, _stack: Stack) -> Iterator[str]:
    """Where nginx is the first that a client meets it speaks TLS 1.2 or newer, and authenticates what it encrypts"""
    for file in files(resource):
        for server in public(file):
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
    for file in files(resource):
        if [one.args for one in file.all("server_tokens")] != [["off"]]:
            yield "server_tokens is not off"
        added = {one.args[0] for one in file.all("add_header")}
        if missing := [one for one in SECURITY_HEADERS if one not in added]:
            yield f"no {', '.join(missing)}"
        for header, value in PASSED.items():
            passed = [one.args[1] for one in file.all("proxy_set_header") if one.args[0].lower() == header]
            if passed != [value]:
                yield f"{header} goes to the app as {', '.join(passed) or 'the client wrote it'}"
        for one in inherited(file, "proxy_set_header", "add_header"):
            yield f"{one.name} {one.args[0]} in a server or location, where nothing of http's counts any more"
        yield from otherwise(file, "$marked", "$caller", "$traffic", "$trace_id", "$asked_host")
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
    for file in files(resource):
        logs = [one.args for one in file.all("access_log")]
        if not any(args[:2] == ["/dev/stdout", "edge"] for args in logs):
            yield "no access_log /dev/stdout in the format edge"
        if ["off"] in logs or any(arg.startswith("if=") for args in logs for arg in args):
            yield "some answers are not logged"
        for one in inherited(file, "access_log"):
            yield f"access_log {one.args[0]} in a server or location, where nothing of http's counts any more"
        counted = [args[0] for args in logs if args[1:2] == ["edge_counted"]]
        if resource.type == FILES and (not counted or any(path.startswith("/dev/") for path in counted)):
            yield "no access_log in the format edge_counted: what this machine's gates read"
        formats = {one.args[0]: "".join(one.args[1:]) for one in file.all("log_format")}
        if lacks := [name for name in ("$track", "$status", "$request_time") if name not in formats.get("edge", "")]:
            yield f"the format has no {', '.join(lacks)}"


def _let_in(geo: Directive) -> list[str]:
    """The networks to which a list of ones and noughts says one; `default` is everybody."""
    return ["0.0.0.0/0" if one.name == "default" else one.name for one in geo.block if one.args != ["0"]]


def _access(stack: Stack, asking: Resource) -> Access:
    if not (access := Access.of(stack)):
        raise NotKnownError(asking, "web-next:access of the stack's configuration")
    return access
