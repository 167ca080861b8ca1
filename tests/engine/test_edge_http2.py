"""What strangers send to the real nginx by HTTP/2: bodies that say no length, of what is read too."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from outputs.slots import EdgeLimits
from tests.support.containers import docker
from tests.support.edges import Edge, StartEdge, config
from tests.support.http2 import Http2, http2

pytestmark = pytest.mark.engine

LIMITS = EdgeLimits(webhook_per_minute=60, webhook_burst=30, pages_per_minute=60_000, requests=100)
STRANGER, OTHER = "203.0.113.7", "198.51.100.7"
READ, PUSH = "/api/guardrails/read", "/api/audit/push"


@pytest.fixture(scope="module")
def edge(start_edge: StartEdge) -> Iterator[Edge]:
    told = config(trusted_proxies=["GATEWAY"], rate_per_minute=6000, burst=1000, limits=LIMITS)
    with start_edge(told) as running:
        yield running


@pytest.fixture
def client(edge: Edge) -> Iterator[Http2]:
    with http2(edge.port) as connection:
        yield connection


def used_kib(edge: Edge) -> int:
    """What /tmp holds."""
    return int(docker("exec", edge.id, "df", "-k", "--output=used", "/tmp").split()[-1])


@pytest.mark.parametrize(
    ("method", "path", "most"),
    [("GET", READ, 512), ("HEAD", READ, 512), ("GET", "/dashboard", 512), ("POST", PUSH, 2500)],
)
def test_a_hundred_unfinished_bodies_of_one_client_leave_the_memory_to_others(
    edge: Edge, client: Http2, method: str, path: str, most: int
) -> None:
    """Of a GET they were 25 MiB of 64."""
    streams = [client.ask(method, path, [("x-forwarded-for", STRANGER)], ends=False) for _ in range(100)]
    for stream in streams:
        client.send(stream, 2**18 - 1)
    held = used_kib(edge)
    answer = edge.client.post(PUSH, content=bytes(60_000), headers={"x-forwarded-for": OTHER})

    assert held < most
    assert answer.status_code == 200


@pytest.mark.parametrize("path", [READ, "/api", "/api/alerts/webhook"])
def test_a_body_of_what_is_read_is_short_or_refused_as_json(edge: Edge, client: Http2, path: str) -> None:
    trace = uuid.uuid4().hex
    short, long = (client.ask("GET", path, [("x-trace-id", each)], ends=False) for each in ("short-body", trace))
    client.send(short, 16_000, ends=True)
    client.send(long, 20_000)

    assert client.status(short) == 200
    assert client.status(long) == 413
    assert client.body(long) == {"_err": "body too large", "traceId": trace}
    (line,) = [line for line in edge.log() if line["traceId"] == trace]
    assert (line["status"], line["path"], line["answeredBy"], line["track"]) == (413, path, "edge", "stable")


def test_a_body_without_a_length_above_the_limit_is_refused(client: Http2) -> None:
    stream = client.ask("POST", PUSH, ends=False)
    client.send(stream, 2**18 + 1)

    assert client.status(stream) == 413
    assert client.body(stream)["_err"] == "body too large"


def test_what_is_read_by_http2_reaches_the_app_as_by_http1(edge: Edge, client: Http2) -> None:
    stream = client.ask("GET", f"{READ}?a=1", [("x-trace-id", "by-http-2")])
    other = edge.client.get(f"{READ}?a=1", headers={"x-trace-id": "by-http-2", "host": "localhost"}).json()
    own = {"number", "accept", "accept-encoding", "user-agent"}

    assert client.status(stream) == 200
    assert {key: value for key, value in client.body(stream).items() if key not in own} == {
        key: value for key, value in other.items() if key not in own
    }
    assert client.status(client.ask("HEAD", READ)) == 200
    lines = [line for line in edge.log() if line["traceId"] == "by-http-2"]
    assert {(line["status"], line["path"], line["answeredBy"]) for line in lines} == {(200, READ, "app")}


def test_what_is_read_by_http2_is_under_the_same_limit(start_edge: StartEdge) -> None:
    with start_edge(config()) as edge, http2(edge.port) as client:
        seen = [client.status(client.ask("GET", READ)) for _ in range(12)]
        last = client.ask("GET", READ)

        assert seen[:11] == [200] * 11
        assert client.status(last) == 429
        assert client.body(last)["_err"] == "rate limited"
        assert edge.client.get(READ).status_code == 429, "one bucket, whichever way it is asked"
