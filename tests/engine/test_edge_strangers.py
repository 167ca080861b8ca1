"""What strangers send to the real nginx: too many at a time, and never finished."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from outputs.slots import EdgeLimits
from tests.support.containers import docker
from tests.support.edge_answers import received
from tests.support.edge_lines import connected
from tests.support.edges import Edge, StartEdge, config

pytestmark = pytest.mark.engine

LIMITS = EdgeLimits(webhook_per_minute=60, webhook_burst=30, pages_per_minute=600, requests=100)
STRANGER, OTHER = "203.0.113.7", "198.51.100.7"
PUSH, WEBHOOK = "/api/audit/push", "/api/alerts/webhook"


@pytest.fixture(scope="module")
def edge(start_edge: StartEdge) -> Iterator[Edge]:
    """An edge that each client is told apart at by the address that it names, and that limits the API to nobody's
    harm."""
    told = config(trusted_proxies=["GATEWAY"], rate_per_minute=6000, burst=1000, limits=LIMITS)
    with start_edge(told) as running:
        yield running


def head(path: str, address: str, length: int, method: str = "POST") -> bytes:
    """The head of a request with a body."""
    told = {
        "Host": "localhost",
        "X-Forwarded-For": address,
        "Content-Length": length,
        "Content-Type": "application/json",
    }
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    return "\r\n".join(lines).encode()


@contextmanager
def unfinished(edge: Edge, path: str, addresses: list[str], length: int) -> Iterator[list[ssl.SSLSocket]]:
    """A request of each address, all of whose body is sent but a byte."""
    with ExitStack() as open_:
        connections = []
        for address in addresses:
            connection = open_.enter_context(connected(edge.port))
            connection.settimeout(5)
            try:
                connection.sendall(head(path, address, length) + bytes(length - 1))
            except OSError:
                continue  # refused before it was read
            connections.append(connection)
        time.sleep(0.5)
        yield connections


def used_kib(edge: Edge) -> int:
    """What /tmp holds."""
    return int(docker("exec", edge.id, "df", "-k", "--output=used", "/tmp").split()[-1])


@pytest.mark.parametrize(("path", "length"), [("/dashboard", 2**20), (PUSH, 2**18), (WEBHOOK, 2**18)])
def test_70_unfinished_bodies_of_one_client_leave_anothers_posts_alone(edge: Edge, path: str, length: int) -> None:
    with unfinished(edge, path, [STRANGER] * 70, length):
        held = used_kib(edge)
        answer = edge.client.post(PUSH, content=bytes(60_000), headers={"x-forwarded-for": OTHER})

    assert held < 8 * 1024, "KiB in /tmp, which is everybody's"
    assert answer.status_code == 200


def test_unfinished_bodies_of_many_clients_do_not_fill_the_memory_and_short_ones_pass(edge: Edge) -> None:
    with unfinished(edge, PUSH, [f"203.0.113.{number}" for number in range(250)], 2**18):
        held = used_kib(edge)
        short = edge.client.post(PUSH, content=bytes(15_999), headers={"x-forwarded-for": OTHER})
        long = edge.client.post(PUSH, content=bytes(60_000), headers={"x-forwarded-for": OTHER})

    assert held < 52 * 1024, "KiB of 64 MiB"
    assert short.status_code == 200
    assert (long.status_code, long.json()["_err"]) == (429, "rate limited")


def test_unfinished_bodies_of_twelve_clients_leave_anothers_long_one_alone(edge: Edge) -> None:
    with unfinished(edge, PUSH, [f"203.0.113.{number}" for number in range(12)] * 16, 2**18):
        long = edge.client.post(PUSH, content=bytes(60_000), headers={"x-forwarded-for": OTHER})

    assert long.status_code == 200


def test_one_client_has_100_requests_under_way_and_the_next_is_refused_as_json(edge: Edge) -> None:
    with ExitStack() as open_:
        for _ in range(100):
            open_.enter_context(connected(edge.port)).sendall(head(PUSH, STRANGER, 100))
        time.sleep(0.3)
        refused = edge.client.get("/api/healthz", headers={"x-forwarded-for": STRANGER})
        other = edge.client.get("/api/healthz", headers={"x-forwarded-for": OTHER})

    assert (refused.status_code, refused.json()["_err"], refused.headers["retry-after"]) == (429, "rate limited", "1")
    assert other.status_code == 200


def test_alerts_pass_while_the_dashboards_bucket_of_their_address_is_empty(start_edge: StartEdge) -> None:
    with start_edge(config(limits=LIMITS)) as edge:
        polls = [edge.client.get("/api/alerts/queue").status_code for _ in range(15)]
        alerts = [edge.client.post(WEBHOOK, json={"severity": "critical"}).status_code for _ in range(45)]
        poll = edge.client.get("/api/alerts/queue").status_code

    assert polls.count(429) >= 3
    assert alerts[:31] == [200] * 31
    assert 429 in alerts[31:], "they have a limit too"
    assert poll == 429


def test_pages_have_a_generous_limit_of_their_own(start_edge: StartEdge) -> None:
    """Ten a second: fifty early ones at once, the others refused."""
    with start_edge(config(trusted_proxies=["GATEWAY"], limits=LIMITS)) as edge, ExitStack() as open_:
        page = f"GET /dashboard HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {STRANGER}\r\nConnection: close\r\n\r\n"
        asked = [open_.enter_context(connected(edge.port)) for _ in range(90)]
        for one in asked:
            one.sendall(page.encode())
        other = [edge.client.get("/dashboard", headers={"x-forwarded-for": OTHER}).status_code for _ in range(20)]
        seen = [received(one, b"")[9:12] for one in asked]

    assert 45 <= seen.count("200") <= 60, seen
    assert seen.count("200") + seen.count("429") == 90
    assert other == [200] * 20


def test_a_track_that_would_have_the_edge_ask_elsewhere_is_asked_once_and_its_own_answer_goes_out(edge: Edge) -> None:
    answers = [edge.client.get(path) for path in ("/redirects/a", "/other.js")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].json()["number"] == answers[0].json()["number"] + 1
    [line] = [line for line in edge.log() if line["path"].startswith("/redirects")]
    assert float(line["upstreamTime"]) < 2, "one time, and no list"


def test_a_file_that_allows_it_is_asked_of_the_app_now_and_then_and_each_reader_has_an_own_trace(edge: Edge) -> None:
    def read(path: str, **headers: str) -> tuple[httpx.Response, int]:
        answer = edge.client.get(path, headers=headers)
        return answer, answer.json()["number"]

    (first, number), (second, again) = read("/kept.js", **{"x-trace-id": "reader-one"}), read("/kept.js")
    fresh, other = read("/kept.js?a=1")[1], read("/other.js")[1]
    time.sleep(2.1)
    later = read("/kept.js")[1]

    assert (again, first.status_code, second.status_code) == (number, 200, 200)
    assert len({number, fresh, other, read("/other.js")[1], read("/kept")[1], later}) == 6, (
        "not kept: queried, unasked, no file, old"
    )
    assert first.headers.get_list("x-trace-id") == ["reader-one"]
    assert len(second.headers["x-trace-id"]) == 32
    assert second.headers["x-edge-track"] == "stable"
    assert "x-accel-expires" not in second.headers
    kept = [
        line for line in edge.log() if line["path"] == "/kept.js" and line["traceId"] == second.headers["x-trace-id"]
    ]
    assert [(line["status"], line["answeredBy"], line["mock"]) for line in kept] == [(200, "edge", False)]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_page_is_read_and_nothing_else(edge: Edge, method: str) -> None:
    answer = edge.client.request(method, "/dashboard", content=b"{}")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.json() == {"_err": "method not allowed", "traceId": answer.headers["x-trace-id"]}


def test_the_path_of_the_api_without_a_slash_is_no_way_to_another_host(edge: Edge) -> None:
    answer = edge.client.get("/api", headers={"host": "evil.example"}, follow_redirects=False)

    assert answer.status_code == 200, "the app's own answer"
    assert "evil" not in answer.headers.get("location", "")


def test_an_answer_that_was_not_taken_whole_is_logged_as_such(edge: Edge) -> None:
    with connected(edge.port) as reader:
        reader.sendall(b"GET /large-40 HTTP/1.1\r\nHost: a\r\nX-Trace-Id: cut-short\r\n\r\n")
        reader.recv(65536)
    edge.client.get("/large-1", headers={"x-trace-id": "taken-whole"})
    time.sleep(0.5)
    lines: dict[str, Any] = {line["traceId"]: line for line in edge.log()}

    cut, whole = lines["cut-short"], lines["taken-whole"]
    assert (cut["status"], cut["whole"], cut["bytes"] < 40 * 2**20) == (200, False, True)
    assert (whole["status"], whole["whole"], whole["bytes"]) == (200, True, 2**20)


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "AES128-SHA"])
def test_a_cipher_that_does_not_authenticate_is_refused(edge: Edge, cipher: str) -> None:
    told = ssl.create_default_context()
    told.check_hostname, told.verify_mode = False, ssl.CERT_NONE
    told.maximum_version = ssl.TLSVersion.TLSv1_2
    told.set_ciphers(f"{cipher}:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", edge.port)) as plain, pytest.raises(ssl.SSLError, match="handshake"):
        told.wrap_socket(plain)


def test_what_is_said_of_strict_transport_is_the_edges_word_and_said_once(start_edge: StartEdge, edge: Edge) -> None:
    """The app says a year on each of its answers."""
    seen = [
        edge.client.get(path).headers.get_list("strict-transport-security") for path in ("/page", "/kept.js", "/api/x")
    ]
    assert seen == [["max-age=0"]] * 3
    with start_edge(replace(config(), server_name="console.web-next.test")) as public:
        assert public.client.get("/page").headers.get_list("strict-transport-security") == ["max-age=31536000"]
