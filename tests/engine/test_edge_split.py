"""The split between two tracks in the real nginx: shares, pinning, browsers, and weight changes under load."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from cutover.traffic.split import Share
from tests.support.containers import docker
from tests.support.edges import Edge, StartEdge, config

pytestmark = pytest.mark.engine

BOTH = ("stable", "candidate")


@pytest.fixture(scope="module")
def shared(start_edge: StartEdge) -> Iterator[Edge]:
    """An edge before both tracks that trusts everybody who calls, and limits nobody."""
    with start_edge(config(*BOTH, trusted_callers=["0.0.0.0/0"], rate_per_minute=600_000, burst=9999)) as running:
        yield running


@pytest.fixture
def edge(shared: Edge) -> Edge:
    """The same, all traffic on stable, and a client that never called before."""
    shared.traffic.set(0)
    shared.client.cookies.clear()
    return shared


def shares(edge: Edge, requests: int) -> Counter[str]:
    """Which upstreams answered; each request is a client of its own."""
    met: Counter[str] = Counter()
    for _ in range(requests):
        answer = edge.client.get("/page")
        assert answer.headers["x-edge-track"] == answer.json()["track"]
        met[answer.json()["track"]] += 1
    return met


def test_without_a_weight_all_traffic_is_stables(start_edge: StartEdge) -> None:
    with start_edge(config(*BOTH)) as edge:
        assert edge.traffic.get() == Share(weight=0)
        assert shares(edge, 200) == {"stable": 200}


@pytest.mark.parametrize(("weight", "requests"), [(10, 5_000), (50, 10_000)])
def test_the_share_is_within_two_points_of_the_weight(edge: Edge, weight: int, requests: int) -> None:
    edge.traffic.set(weight)

    assert edge.traffic.get() == Share(weight=weight)
    # Two points are four standard deviations or more of that many: chance misses them once in 15,000 runs.
    assert abs(100 * shares(edge, requests)["candidate"] / requests - weight) <= 2


@pytest.mark.parametrize(("weight", "track"), [(0, "stable"), (100, "candidate")])
def test_nothing_and_all_are_exact(edge: Edge, weight: int, track: str) -> None:
    edge.traffic.set(50)
    edge.traffic.set(weight)

    assert edge.traffic.get() == Share(weight=weight)
    assert shares(edge, 1000) == {track: 1000}


def test_no_request_fails_in_fifty_weight_changes_under_keep_alive_load(edge: Edge) -> None:
    stop, failures, counts = threading.Event(), [], Counter[str]()

    def load() -> None:
        with httpx.Client(base_url=edge.client.base_url, verify=False, trust_env=False) as client:
            while not stop.is_set():
                for method in ("GET", "POST"):
                    try:
                        answer = client.request(method, "/api/page", content=b"x" * 512 if method == "POST" else None)
                        counts[answer.json()["track"]] += 1
                        if answer.status_code != 200:
                            failures.append(str(answer.status_code))
                    except httpx.HTTPError as error:
                        failures.append(repr(error))

    clients = [threading.Thread(target=load) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for change in range(50):
            edge.traffic.set((change * 37) % 101)
    finally:
        stop.set()
        for client in clients:
            client.join()

    assert failures == []
    assert min(counts.values()) > 100, "both tracks had load"
    left = docker("exec", edge.id, "ls", "/etc/nginx/edge/weights").split()
    assert len(left) == 3, "the lock, the link, and the one generation that it leads to"


@pytest.mark.parametrize("track", BOTH)
def test_a_trusted_caller_gets_the_track_it_asks_for_and_the_app_is_not_told(edge: Edge, track: str) -> None:
    edge.traffic.set(0 if track == "candidate" else 100)
    answer = edge.client.get("/page", headers={"x-web-next-track": track})

    assert answer.json()["track"] == track
    assert "x-web-next-track" not in answer.json()


@pytest.mark.parametrize("asked", ["", "canary", "candidate stable", "candidates"])
def test_a_track_that_is_none_is_not_pinned(edge: Edge, asked: str) -> None:
    assert edge.client.get("/page", headers={"x-web-next-track": asked}).json()["track"] == "stable"


def test_nobody_else_can_ask_for_a_track_nor_by_a_forged_address(start_edge: StartEdge) -> None:
    with start_edge(config(*BOTH, trusted_callers=["203.0.113.7"])) as edge:
        forged = {"x-web-next-track": "candidate", "x-forwarded-for": "203.0.113.7", "x-real-ip": "203.0.113.7"}

        assert edge.client.get("/page", headers=forged).json()["track"] == "stable"


def test_a_browser_stays_on_its_bucket_and_so_on_its_track_while_the_weight_grows(edge: Edge) -> None:
    edge.traffic.set(10)
    browsers = {}
    for _ in range(200):
        edge.client.cookies.clear()
        page = edge.client.get("/dashboard")
        bucket = page.cookies["web_next_bucket"]
        browsers[bucket] = page.json()["track"]
    edge.client.cookies.clear()
    for weight in (10, 50, 100):
        edge.traffic.set(weight)
        for bucket, before in browsers.items():
            now = edge.client.get("/script", headers={"cookie": f"web_next_bucket={bucket}"}).json()["track"]
            assert now == before or (before == "stable" and now == "candidate"), "nobody goes back"
            browsers[bucket] = now
    assert set(browsers.values()) == {"candidate"}


def test_the_cookie_is_a_pages_and_safe_and_given_once(edge: Edge) -> None:
    page = edge.client.get("/dashboard")
    again = edge.client.get("/dashboard", headers={"cookie": f"web_next_bucket={page.cookies['web_next_bucket']}"})
    edge.client.cookies.clear()

    assert page.headers["set-cookie"].partition(";")[2] == " Path=/; Secure; HttpOnly; SameSite=Lax"
    assert "set-cookie" not in again.headers
    assert "set-cookie" not in edge.client.get("/api/x").headers


@pytest.mark.parametrize("bad", ["x", "A" * 32, "0" * 33, "'; drop", ""])
def test_a_cookie_that_the_edge_did_not_make_is_replaced(edge: Edge, bad: str) -> None:
    page = edge.client.get("/dashboard", headers={"cookie": f"web_next_bucket={bad}"})

    assert page.headers["set-cookie"].startswith("web_next_bucket=")


def test_without_pinning_there_is_no_cookie_and_one_does_nothing(start_edge: StartEdge) -> None:
    with start_edge(config(*BOTH, pinning="none")) as edge:
        edge.traffic.set(50)
        headers = {"cookie": f"web_next_bucket={'0' * 32}"}
        tracks = {edge.client.get("/page", headers=headers).json()["track"] for _ in range(100)}

        assert tracks == set(BOTH)
        assert "set-cookie" not in edge.client.get("/dashboard").headers


def test_a_candidate_that_is_away_fails_its_own_requests_and_no_others(edge: Edge, start_edge: StartEdge) -> None:
    with start_edge(config(*BOTH, upstreams={"stable": "stable:3003", "candidate": "127.0.0.1:1"}), str) as lonely:
        lonely.traffic.set(100)
        assert lonely.client.get("/page").status_code == 502
        lonely.traffic.set(0)
        assert shares(lonely, 50) == {"stable": 50}


def test_log_lines_are_json_whatever_a_request_holds_and_name_track_and_traffic(edge: Edge) -> None:
    edge.traffic.set(100)
    mark = uuid.uuid4().hex
    for path in (f"/{mark}/%22quote%22", f"/{mark}/%0Aline", f"/{mark}/back%5Cslash"):
        edge.client.get(path)
    edge.client.get(f"/{mark}/smoke", headers={"user-agent": "web-next-smoke"})
    edge.client.get("/healthz")
    lines = edge.log()
    own = [line for line in lines if line["path"].startswith(f"/{mark}/")]

    assert [line["traffic"] for line in own] == ["user", "user", "user", "smoke"]
    assert {line["track"] for line in own} == {"candidate"}
    assert {line["traffic"] for line in lines if line["path"] == "/healthz"} == {"health"}
