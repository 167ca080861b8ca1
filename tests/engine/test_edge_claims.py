"""What callers say of themselves at the real nginx, in every spelling: nobody but who is trusted leaves the figures."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.edge_lines import connected
from tests.support.edges import Edge, StartEdge, config
from tests.support.http2 import http2

pytestmark = pytest.mark.engine

TRUSTED, STRANGER = "203.0.113.7", "198.51.100.7"
PATH = "/api/guardrails/read"
SMOKE, MARK = ("User-Agent", "web-next-smoke/1"), ("X-Web-Next-Traffic", "smoke")
Fields = list[tuple[str, str]]
CLAIMS: dict[str, Fields] = {
    "plain": [SMOKE, MARK],
    "user agent doubled": [SMOKE, SMOKE],
    "the second user agent": [("User-Agent", "curl"), SMOKE],
    "mark doubled": [MARK, MARK],
    "the second mark": [("X-Web-Next-Traffic", "user"), MARK],
    "another mark": [SMOKE, ("X-Web-Next-Traffic", "health")],
    "in capitals": [("USER-AGENT", "web-next-smoke/1"), ("X-WEB-NEXT-TRAFFIC", "smoke")],
    "in small letters": [("user-agent", "web-next-smoke/1"), ("x-web-next-traffic", "smoke")],
    "blanks behind": [("User-Agent", "web-next-smoke/1  "), ("X-Web-Next-Traffic", "smoke \t")],
    "underscores": [("User_Agent", "web-next-smoke/1"), ("X_Web_Next_Traffic", "smoke"), ("X_Real_IP", TRUSTED)],
    "hop by hop": [SMOKE, MARK, ("Connection", "X-Web-Next-Traffic, X-Real-IP, X-Forwarded-For")],
    "another address": [SMOKE, MARK, ("X-Real-IP", TRUSTED), ("Forwarded", f"for={TRUSTED}"), ("Via", TRUSTED)],
    "a track": [SMOKE, ("X-Web-Next-Track", "stable")],
    "refused": [SMOKE, ("X-Web-Next-Traffic", "refused")],
}


@pytest.fixture(scope="module")
def edge(start_edge: StartEdge) -> Iterator[Edge]:
    """An edge that believes a balancer's address of a caller, and trusts one network."""
    told = config(trusted_proxies=["GATEWAY"], trusted_callers=["203.0.113.0/24"], rate_per_minute=6000, burst=1000)
    with start_edge(told) as running:
        yield running


@pytest.fixture(scope="module")
def direct(start_edge: StartEdge) -> Iterator[Edge]:
    """An edge that this machine asks by itself, from an address that is nobody's."""
    with start_edge(config(trusted_callers=["203.0.113.0/24"], rate_per_minute=6000, burst=1000)) as running:
        yield running


@pytest.mark.parametrize("host", ["localhost:8452", "localhost", "[::1]:8452"])
def test_the_app_is_told_the_host_with_its_port_which_is_part_of_an_origin(edge: Edge, host: str) -> None:
    assert edge.client.get(PATH, headers={"host": host}).json()["host"] == host
    with http2(edge.port) as client:
        assert client.body(client.ask("GET", PATH, authority=host))["host"] == host


def told(edge: Edge, fields: Fields, trace: str) -> dict[str, str]:
    """What the app is told of a request with these headers, each as it is written."""
    lines = [f"GET {PATH} HTTP/1.1", "Host: localhost", "Connection: close", f"X-Trace-Id: {trace}"]
    raw = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in fields), "", ""]).encode()
    with connected(edge.port) as connection:
        connection.settimeout(5)
        connection.sendall(raw)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    found: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


def logged(edge: Edge, start: str) -> set[str]:
    """Whose the requests are whose trace begins so, by the edge's log."""
    return {line["traffic"] for line in edge.log() if line["traceId"].startswith(start)}


@pytest.mark.parametrize(
    "forwarded", [[STRANGER], [f"{TRUSTED}, {STRANGER}"], [TRUSTED, STRANGER], ["203.0.113.7.", STRANGER]]
)
def test_a_stranger_behind_the_balancer_counts_as_a_user_whatever_it_says(edge: Edge, forwarded: list[str]) -> None:
    came = [("X-Forwarded-For", each) for each in forwarded]
    start = f"behind-{len(''.join(forwarded))}"
    seen = {what: told(edge, [*fields, *came], start) for what, fields in CLAIMS.items()}

    assert {what: one["x-web-next-traffic"] for what, one in seen.items()} == dict.fromkeys(CLAIMS, "user")
    assert {one["x-real-ip"] for one in seen.values()} == {STRANGER}
    assert not [name for one in seen.values() for name in one if "_" in name]
    assert logged(edge, start) == {"user"}


def test_who_names_a_trusted_address_without_a_balancer_counts_as_a_user(direct: Edge) -> None:
    came = [("X-Forwarded-For", TRUSTED)]
    seen = {
        what: told(direct, [*fields, *came], "direct-claims")["x-web-next-traffic"] for what, fields in CLAIMS.items()
    }

    assert seen == dict.fromkeys(CLAIMS, "user")
    assert logged(direct, "direct-claims") == {"user"}


def test_who_is_trusted_is_smoke_by_the_user_agent_alone(edge: Edge) -> None:
    came = [("X-Forwarded-For", TRUSTED)]
    seen = {
        what: told(edge, [*fields, *came], "trusted-claims")["x-web-next-traffic"] for what, fields in CLAIMS.items()
    }

    not_said = ("mark doubled", "the second mark", "the second user agent", "underscores")
    assert seen == {what: "user" if what in not_said else "smoke" for what in CLAIMS}


@pytest.mark.parametrize("what", [what for what in CLAIMS if what != "hop by hop"])
def test_by_http2_a_stranger_counts_as_a_user_too(direct: Edge, what: str) -> None:
    fields = [(name.lower(), value.strip()) for name, value in [*CLAIMS[what], ("X-Forwarded-For", TRUSTED)]]
    with http2(direct.port) as client:
        stream = client.ask("GET", PATH, fields)
        assert client.status(stream) == 200
        assert client.body(stream)["x-web-next-traffic"] == "user"


@pytest.mark.parametrize(
    "fields",
    [
        [("User-Agent", "web-next-smoke/1")],
        [("connection", "x-web-next-traffic"), ("user-agent", "web-next-smoke/1")],
        [("x-web-next-traffic ", "smoke")],
        [("x-web-next-traffic", "smoke\r\nx-web-next-traffic: smoke")],
        [(":user-agent", "web-next-smoke/1")],
    ],
    ids=["capitals", "connection", "a blank in the name", "a line in the value", "pseudo"],
)
def test_by_http2_what_no_client_may_send_is_refused_or_counts_as_a_user(direct: Edge, fields: Fields) -> None:
    with http2(direct.port) as client:
        stream = client.ask("GET", PATH, fields)
        status = client.status(stream)
        assert status != 200 or client.body(stream)["x-web-next-traffic"] == "user"
