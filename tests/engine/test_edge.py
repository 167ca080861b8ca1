"""The rendered configuration in the real nginx: limit, headers, log, and what it says when the app is away."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.runtime.fargate.task import app_containers
from outputs.slots import TrackLogs
from tests.support.containers import container, docker, free_port, healthy, wait_until
from tests.support.edge_configs import beside_an_app
from tests.support.edges import Edge, StartEdge, config

pytestmark = pytest.mark.engine

ASK = """
import ssl, sys, urllib.request
asked = urllib.request.Request(f"https://{sys.argv[1]}", headers={"user-agent": "web-next-smoke/1"})
print(urllib.request.urlopen(asked, context=ssl._create_unverified_context()).read().decode())
"""
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "strict-transport-security": "max-age=0",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


@pytest.fixture
def edge(start_edge: StartEdge) -> Iterator[Edge]:
    """An edge of the test's own: nothing of its limit is used up."""
    with start_edge(config()) as running:
        yield running


@pytest.fixture(scope="module")
def shared(start_edge: StartEdge) -> Iterator[Edge]:
    """An edge for tests that ask for little and change nothing."""
    with start_edge(config()) as running:
        yield running


def back_to_back(client: httpx.Client, count: int = 65, **request: Any) -> tuple[list[httpx.Response], float]:
    """Send `count` requests one after the other; return the answers and the seconds they took."""
    started = time.monotonic()
    answers = [client.get("/api/healthz", **request) for _ in range(count)]
    return answers, time.monotonic() - started


def limit_holds(answers: list[httpx.Response], seconds: float) -> bool:
    """Say whether 1 + 10 requests passed, and one more for each full second, and the rest were refused."""
    passed = sum(answer.status_code == 200 for answer in answers)
    refused = sum(answer.status_code == 429 for answer in answers)
    return 11 <= passed <= 11 + int(seconds) and passed + refused == len(answers)


def test_of_65_requests_back_to_back_11_pass_and_the_rest_are_refused(edge: Edge) -> None:
    answers, seconds = back_to_back(edge.client)

    assert limit_holds(answers, seconds), [answer.status_code for answer in answers]


@pytest.mark.soak
def test_paced_at_775_ms_60_of_65_pass_and_5_are_refused(edge: Edge) -> None:
    """The playbook's own figures, 50 s long: the rate passes one each second and 10 more by the burst."""
    edge.client.get("/healthz")
    started = time.monotonic()
    statuses = []
    for number in range(65):
        time.sleep(max(0.0, started + number * 0.775 - time.monotonic()))
        statuses.append(edge.client.get("/api/healthz").status_code)

    assert (statuses.count(200), statuses.count(429)) == (60, 5)


def test_without_the_limiter_all_65_pass_and_the_check_notices(start_edge: StartEdge) -> None:
    with start_edge(config(), lambda text: text.replace("limit_req zone=api burst=10 nodelay;", "")) as edge:
        answers, seconds = back_to_back(edge.client)

    assert {answer.status_code for answer in answers} == {200}
    assert not limit_holds(answers, seconds)


def test_a_refusal_is_json_with_retry_after_the_headers_and_the_trace_id(edge: Edge) -> None:
    answers, _ = back_to_back(edge.client, 20, headers={"x-trace-id": "page-1234"})
    refused = answers[-1]

    assert refused.status_code == 429
    assert refused.json() == {"_err": "rate limited", "traceId": "page-1234"}
    assert refused.headers["content-type"] == "application/json"
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-trace-id"] == "page-1234"
    assert refused.headers["x-edge-id"] == "test-0-0"
    assert SECURITY_HEADERS.items() <= dict(refused.headers).items()


def test_the_limit_is_on_posts_too(edge: Edge) -> None:
    statuses = [edge.client.post("/api/audit/push", json={"a": 1}).status_code for _ in range(20)]

    assert statuses.count(429) >= 8


def test_the_health_path_and_pages_are_not_under_the_limit_of_the_api(shared: Edge) -> None:
    statuses = {shared.client.get(path).status_code for path in ("/healthz", "/dashboard") for _ in range(40)}

    assert statuses == {200}


def test_a_forged_x_forwarded_for_changes_neither_limit_nor_log_nor_what_the_app_sees(edge: Edge) -> None:
    answers, started = [], time.monotonic()
    for number in range(65):
        answers.append(edge.client.get("/api/healthz", headers={"x-forwarded-for": f"203.0.113.{number}"}))

    assert limit_holds(answers, time.monotonic() - started)
    seen = answers[0].json()
    assert seen["x-forwarded-for"] == seen["x-real-ip"]
    assert not seen["x-real-ip"].startswith("203.0.113.")
    assert {entry["remoteAddr"] for entry in edge.log()} == {seen["x-real-ip"]}


def test_an_address_that_a_client_puts_before_a_trusted_proxys_own_is_not_believed(start_edge: StartEdge) -> None:
    """As a load balancer hands it on: what the client sent, then the address it came from."""
    with start_edge(config(tls=False, trusted_proxies=["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"])) as edge:
        answers = [
            edge.client.get("/api/x", headers={"x-forwarded-for": f"198.51.100.{n}, 203.0.113.7"}) for n in range(40)
        ]

    passed = [answer for answer in answers if answer.status_code == 200]
    assert len(passed) < 20, "one client has one limit, whatever it says of itself"
    assert {answer.json()["x-real-ip"] for answer in passed} == {"203.0.113.7"}


def test_a_trusted_proxys_x_forwarded_for_is_the_client(start_edge: StartEdge) -> None:
    with start_edge(config(trusted_proxies=["0.0.0.0/0"])) as edge:
        answers = [edge.client.get("/api/x", headers={"x-forwarded-for": f"203.0.113.{n}"}) for n in range(40)]

    assert {answer.status_code for answer in answers} == {200}
    assert answers[7].json()["x-real-ip"] == "203.0.113.7"


@pytest.mark.parametrize("trace_id", ["page-1234", "a" * 64])
def test_a_valid_trace_id_reaches_the_app(shared: Edge, trace_id: str) -> None:
    answer = shared.client.get("/healthz", headers={"x-trace-id": trace_id})

    assert answer.json()["x-trace-id"] == trace_id


@pytest.mark.parametrize("trace_id", ["", "short", "a" * 65, "with_underscore", 'quote"quote'])
def test_any_other_trace_id_is_replaced(shared: Edge, trace_id: str) -> None:
    answer = shared.client.get("/healthz", headers={"x-trace-id": trace_id})

    assert re.fullmatch(r"[0-9a-f]{32}", answer.json()["x-trace-id"])


def test_the_apps_own_headers_are_left_alone_and_the_missing_ones_are_added(shared: Edge) -> None:
    headers = shared.client.get("/healthz").headers

    assert headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert headers.get_list("x-content-type-options") == ["nosniff"]


def test_a_429_that_the_app_itself_gives_is_passed_on(shared: Edge) -> None:
    answer = shared.client.get("/api/own-429")

    assert answer.status_code == 429
    assert "_err" not in answer.json()
    assert "retry-after" not in answer.headers


def test_the_server_does_not_tell_its_version(shared: Edge) -> None:
    assert shared.client.get("/healthz").headers["server"] == "nginx"


def test_the_log_has_one_json_line_for_each_request_refusals_included(edge: Edge) -> None:
    answers, _ = back_to_back(edge.client, 20, headers={"x-trace-id": "page-1234"})
    entries = [entry for entry in edge.log() if entry["traceId"] == "page-1234"]

    assert [entry["status"] for entry in entries] == [answer.status_code for answer in answers]
    for entry in entries:
        assert (entry["track"], entry["path"], entry["edge"]) == ("stable", "/api/healthz", "test-0-0")
        assert entry["requestTime"] >= 0
        assert (entry["upstreamTime"] == "") == (entry["status"] == 429)


def test_the_log_says_who_answered_with_which_status_and_whether_it_was_a_mock(edge: Edge) -> None:
    for path in ("/a", "/unparsed", "/mock", "/own-502", "/api/own-429", "/api/mock/own-503"):
        edge.client.get(path)
    edge.client.post("/api/too-much", content=b"x" * (2**18 + 1))
    back_to_back(edge.client, 15)
    docker("kill", edge.upstream)
    edge.client.get("/away")
    seen = {
        entry["path"]: (entry["status"], entry["answeredBy"], entry["upstreamStatus"], entry["mock"])
        for entry in edge.log()
    }

    assert seen["/a"] == (200, "app", "200", False)
    assert seen["/unparsed"] == (200, "edge", "200", False), (
        "without a trace id it is the app's server's, which counts none"
    )
    assert seen["/mock"] == (200, "app", "200", True)
    assert seen["/own-502"] == (502, "app", "502", False)
    assert seen["/api/own-429"] == (429, "app", "429", False)
    assert seen["/api/mock/own-503"] == (503, "app", "503", True)
    assert seen["/api/too-much"] == (413, "edge", "", False)
    assert seen["/api/healthz"] == (429, "edge", "", False)
    assert seen["/away"][1:] == ("edge", str(seen["/away"][0]), False)


def test_a_smoke_agent_is_believed_of_a_trusted_caller_alone_and_the_app_is_told(start_edge: StartEdge) -> None:
    """The other address on the network is the app's container."""
    with start_edge(config(trusted_callers=["GATEWAY"])) as edge:
        smoke = {"user-agent": "web-next-smoke/1", "x-web-next-traffic": "smoke"}
        told = [edge.client.get("/trusted", headers=smoke).json(), edge.client.get("/healthz").json()]
        told.append(edge.client.get("/forged", headers={"x-web-next-traffic": "smoke"}).json())
        for path in ("/untrusted", "/healthz"):
            told.append(json.loads(docker("exec", edge.upstream, "python3", "-c", ASK, f"{edge.address}{path}")))
        logged = [entry["traffic"] for entry in edge.log() if entry["path"] != "/healthz"]

    assert [one["x-web-next-traffic"] for one in told] == ["smoke", "health", "user", "user", "user"]
    assert logged == ["smoke", "user", "user"]


def test_a_balancers_own_check_is_health_and_a_clients_through_it_is_not(start_edge: StartEdge) -> None:
    behind = config(tls=False, trusted_proxies=["GATEWAY"], trusted_callers=["203.0.113.0/24"])
    with start_edge(behind) as edge:

        def traffic(path: str, agent: str, **headers: str) -> str:
            answer = edge.client.get(path, headers={"user-agent": agent, **headers})
            return str(answer.json()["x-web-next-traffic"])

        assert traffic("/healthz", "ELB-HealthChecker/2.0") == "health"
        assert traffic("/healthz", "x", **{"x-forwarded-for": "198.51.100.7"}) == "user"
        assert traffic("/healthz", "x", **{"x-forwarded-for": "203.0.113.7"}) == "health"
        assert traffic("/page", "web-next-smoke/1", **{"x-forwarded-for": "203.0.113.7"}) == "smoke"
        assert traffic("/page", "web-next-smoke/1", **{"x-forwarded-for": "203.0.113.7, 198.51.100.7"}) == "user"
        assert traffic("/page", "web-next-smoke/1") == "user"


def test_each_task_on_fargate_has_an_id_of_its_own(edge_images: dict[str, str]) -> None:
    logs = TrackLogs(edge="e", app="a", worker="w")
    told = {"image": "app", "edge_image": "nginx", "environment": {}, "logs": logs, "region": "r", "memory": 512}
    _, task = app_containers(edge=beside_an_app(trusted_proxies=[]), **told)  # type: ignore[arg-type]
    (rendered,) = [one["value"] for one in task["environment"] if one["name"] == "EDGE_CONFIG"]
    seen = []
    for _ in range(2):
        port = free_port()
        confined = ("--user", task["user"], "--read-only", "--tmpfs", "/tmp:mode=1777", "--cap-drop", "ALL")
        published = ("--publish", f"127.0.0.1:{port}:8080", "--env", f"EDGE_CONFIG={rendered}")
        entry = ("--entrypoint", task["entryPoint"][0])
        command = (*task["entryPoint"][1:], *task["command"])
        with container(edge_images["nginx"], *confined, *published, *entry, command=command):
            ask = partial(httpx.get, f"http://127.0.0.1:{port}/", trust_env=False)
            wait_until(lambda ask=ask: ask().status_code == 502, "nginx, without an app")  # type: ignore[misc]
            seen.append(ask().headers["x-edge-id"])

    assert all(re.fullmatch(r"web-next-test-edge-[0-9a-f]{8}", one) for one in seen), seen
    assert seen[0] != seen[1]


def test_without_the_app_the_answer_is_json_with_the_headers_until_it_is_back(edge: Edge) -> None:
    docker("kill", edge.upstream)
    answer = edge.client.get("/healthz")

    assert answer.status_code in (502, 504)
    assert answer.json()["_err"] == "upstream unavailable"
    assert answer.headers["x-trace-id"] == answer.json()["traceId"]
    assert SECURITY_HEADERS.items() <= dict(answer.headers).items()

    docker("start", edge.upstream)
    wait_until(lambda: edge.client.get("/healthz").status_code == 200, "edge after the app is back")


def test_a_body_above_256_kib_is_refused_as_json_and_one_of_256_is_not(shared: Edge) -> None:
    whole = shared.client.post("/api/audit/push", content=b"x" * 2**18)
    answer = shared.client.post("/api/audit/push", content=b"x" * (2**18 + 1))

    assert whole.status_code == 200
    assert answer.status_code == 413
    assert answer.json()["_err"] == "body too large"
    assert SECURITY_HEADERS.items() <= dict(answer.headers).items()


def test_what_a_slow_client_has_not_taken_fills_no_file_at_the_edge_and_arrives_whole(shared: Edge) -> None:
    size = 40 * 2**20
    with shared.client.stream("GET", "/large-40") as answer:
        pieces = answer.iter_raw(65536)
        taken = len(next(pieces))
        time.sleep(2)
        held = int(docker("exec", shared.id, "df", "-k", "--output=used", "/tmp").split()[-1])
        taken += sum(map(len, pieces))

    assert held < 1024, "kB in /tmp, which is memory and shared with everybody"
    assert taken == size == int(answer.headers["content-length"])


def test_http_2_is_offered_over_tls_1_2_or_newer(shared: Edge, edge_tls: Path) -> None:
    context = ssl.create_default_context(cafile=str(edge_tls / "edge.pem"))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", shared.port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        assert secured.selected_alpn_protocol() == "h2"
        assert secured.version() in ("TLSv1.2", "TLSv1.3")


def test_the_configuration_check_passes_on_what_is_rendered_and_fails_on_a_broken_one(shared: Edge) -> None:
    assert "test is successful" in docker("exec", shared.id, "nginx", "-t", "-c", "/etc/nginx/edge/nginx.conf")
    docker("exec", shared.id, "sh", "-c", "sed 's/http2 on/http2 maybe/' /etc/nginx/edge/nginx.conf > /tmp/broken.conf")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        docker("exec", shared.id, "nginx", "-t", "-c", "/tmp/broken.conf")
    assert 'invalid value "maybe"' in caught.value.output


def test_the_edge_says_that_it_is_healthy_and_ends_when_it_is_told_to(edge: Edge) -> None:
    wait_until(lambda: healthy(edge.id), "healthy edge", 20)
    docker("stop", "--time", "10", edge.id)

    assert docker("inspect", "--format", "{{.State.ExitCode}}", edge.id) == "0"
