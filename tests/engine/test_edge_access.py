"""Who may ask for what, by the real nginx: as behind a load balancer, each caller by the address that it names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection

import pytest

from outputs.slots import EdgeAccess
from tests.support.edges import Edge, StartEdge, config

pytestmark = pytest.mark.engine

CLIENT, SENDER, PUSHER, OPERATOR, STRANGER = (
    "198.51.100.7",
    "192.0.2.7",
    "192.0.2.207",
    "203.0.113.7",
    "198.18.0.7",
)
CONSOLE, WEBHOOK, PUSH = "/dashboard", "/api/alerts/webhook", "/api/audit/push"
OFFICE = EdgeAccess(console=["198.51.100.0/24"], webhook=["192.0.2.0/25"], audit_push=["192.0.2.128/25"])
INTERNET = EdgeAccess(console=["0.0.0.0/0"], webhook=["192.0.2.0/25"], audit_push=["0.0.0.0/0"])


def behind_a_balancer(start_edge: StartEdge, access: EdgeAccess) -> Iterator[Edge]:
    told = config(
        tls=False,
        trusted_proxies=["GATEWAY"],
        trusted_callers=["203.0.113.0/24"],
        access=access,
        rate_per_minute=6000,
        burst=1000,
    )
    with start_edge(told) as running:
        yield running


@pytest.fixture(scope="module")
def office(start_edge: StartEdge) -> Iterator[Edge]:
    """An edge of an office, with a network of machines for each of their paths."""
    yield from behind_a_balancer(start_edge, OFFICE)


@pytest.fixture(scope="module")
def internet(start_edge: StartEdge) -> Iterator[Edge]:
    """An edge of anyone, where alerts come from one network alone."""
    yield from behind_a_balancer(start_edge, INTERNET)


def status(edge: Edge, caller: str, path: str, **headers: str) -> int:
    """The answer to a post, of a page to a get, the path sent as it is written: httpx tidies it up."""
    method = "GET" if path in (CONSOLE, "/", "/healthz") else "POST"
    with closing(HTTPConnection("127.0.0.1", edge.port, timeout=10)) as connection:
        connection.request(method, path, headers={"x-forwarded-for": caller, **headers})
        return connection.getresponse().status


def test_each_asks_for_what_its_network_is_listed_for_and_for_nothing_else(office: Edge) -> None:
    console = (CONSOLE, "/", "/healthz", "/api/audit/list", "/api/alerts/queue", "/api/alerts/dlq?limit=9")
    everything = (*console, WEBHOOK, f"{WEBHOOK}?a=1", PUSH)
    passed = {
        caller: {path for path in everything if status(office, caller, path) == 200}
        for caller in (CLIENT, SENDER, PUSHER, OPERATOR, STRANGER)
    }

    assert passed == {
        CLIENT: {*everything} - {WEBHOOK, f"{WEBHOOK}?a=1", PUSH},
        SENDER: {WEBHOOK, f"{WEBHOOK}?a=1"},
        PUSHER: {PUSH},
        OPERATOR: {*everything},
        STRANGER: set(),
    }


def test_a_machine_gets_no_further_by_another_spelling_of_its_path(office: Edge) -> None:
    for path in (
        f"{WEBHOOK}/",
        f"{WEBHOOK}/../queue",
        f"{WEBHOOK}/..%2fqueue",
        "/api/alerts/queue/../webhook",
        "/api/alerts//webhook",
        "/api/alerts/%77ebhook",
        f"{WEBHOOK}%3f",
        f"{WEBHOOK};x",
    ):
        assert status(office, SENDER, path) == 403, path


def test_who_may_ask_for_the_console_posts_no_alert_by_another_spelling(internet: Edge) -> None:
    assert status(internet, STRANGER, CONSOLE) == 200
    assert status(internet, STRANGER, PUSH) == 200
    assert status(internet, SENDER, WEBHOOK) == 200
    for path in (WEBHOOK, "/api/alerts//webhook", "/api/alerts/%77ebhook", "/api/x/../alerts/webhook", WEBHOOK.upper()):
        assert status(internet, STRANGER, path) == 403, path


def test_what_a_stranger_puts_before_its_own_address_is_not_believed(office: Edge) -> None:
    for claimed in (CLIENT, OPERATOR, "127.0.0.1"):
        assert status(office, f"{claimed}, {STRANGER}", CONSOLE) == 403
        assert status(office, STRANGER, CONSOLE, **{"x-real-ip": claimed, "forwarded": f"for={claimed}"}) == 403
        assert (
            status(office, STRANGER, CONSOLE, **{"user-agent": "web-next-smoke/1", "x-web-next-track": "stable"}) == 403
        )


@pytest.mark.parametrize(
    "address", ["2001:db8::7", "::1", "fe80::1", "64:ff9b::c633:6407", "198.51.100.7.example", "x", ""]
)
def test_an_address_that_no_list_can_have_is_let_in_by_none(office: Edge, address: str) -> None:
    """Lists are of IPv4. What is no address is the balancer's own caller, which is in no list either."""
    for path in (CONSOLE, WEBHOOK, PUSH, "/api/audit/list"):
        assert status(office, address, path) == 403, path
        assert status(office, f"{CLIENT}, {address or STRANGER}", path) == 403, path


def test_an_ipv4_address_in_the_form_of_ipv6_is_the_same_caller(office: Edge) -> None:
    assert status(office, f"::ffff:{CLIENT}", CONSOLE) == 200
    assert status(office, f"::ffff:{STRANGER}", CONSOLE) == 403


def test_a_refusal_has_the_form_of_every_other_and_no_track_nor_the_apps_word(office: Edge) -> None:
    told = {"x-forwarded-for": STRANGER, "x-trace-id": "page-1234"}
    refused = office.client.get(CONSOLE, headers=told)

    assert refused.status_code == 403
    assert refused.json() == {"_err": "not from this address", "traceId": "page-1234"}
    assert refused.headers["content-type"] == "application/json"
    assert (refused.headers["x-trace-id"], refused.headers["x-frame-options"]) == ("page-1234", "DENY")
    assert "x-edge-track" not in refused.headers
    (line,) = [line for line in office.log() if line["traceId"] == "page-1234"]
    assert (line["status"], line["answeredBy"], line["track"], line["traffic"]) == (403, "edge", "", "refused")


def test_smoke_and_the_balancers_own_check_pass_and_are_told_apart_as_before(office: Edge) -> None:
    def traffic(path: str, **headers: str) -> str:
        answer = office.client.get(path, headers=headers)
        assert answer.status_code == 200
        return str(answer.json()["x-web-next-traffic"])

    smoke = {"x-forwarded-for": OPERATOR, "user-agent": "web-next-smoke/1"}
    assert [traffic(path, **smoke) for path in (CONSOLE, PUSH, WEBHOOK)] == ["smoke"] * 3
    assert traffic("/healthz", **{"user-agent": "ELB-HealthChecker/2.0"}) == "health", "it comes from its own address"
    assert office.client.get(CONSOLE).status_code == 403, "which may ask for nothing else"


def test_the_machine_that_a_local_edge_runs_on_is_let_in_whatever_the_list_says(start_edge: StartEdge) -> None:
    nobody = EdgeAccess(console=[], webhook=[], audit_push=[])
    with start_edge(config("stable", "candidate", trusted_callers=["GATEWAY"], access=nobody)) as edge:
        assert {edge.client.get(path).status_code for path in (CONSOLE, "/healthz", PUSH)} == {200}
