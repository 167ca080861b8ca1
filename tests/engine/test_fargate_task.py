"""The captured task of prod, nginx beside the app, in Docker with the options of its definition: what Fargate gets."""

from __future__ import annotations

import json
import re
import secrets
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.containers import docker, wait_until
from tests.support.fargate_task import FILES, Task, options, running_task
from tests.unit.infra.configs import FARGATE
from tests.unit.infra.parts import run

pytestmark = pytest.mark.engine

CLIENT, STRANGER = "198.51.100.7", "203.0.113.9"


@pytest.fixture(scope="module")
def definition() -> list[dict[str, object]]:
    captured = run(FARGATE).one("aws:ecs/taskDefinition:TaskDefinition", "stable")
    return list(json.loads(captured.inputs["containerDefinitions"]))


@pytest.fixture(scope="module")
def task(definition: list[dict[str, object]], edge_images: dict[str, str]) -> Iterator[Task]:
    """The task in a part of the balancer's subnets: this machine asks as the balancer would."""
    images = {"app": edge_images["web-next"], "edge": edge_images["nginx"]}
    subnet = f"10.42.{128 + secrets.randbelow(16)}.0/24"
    with running_task(definition, images, subnet) as made:
        wait_until(lambda: ask(made, "/healthz").status_code == 200, "nginx")
        yield made


def ask(task: Task, path: str, client: str = CLIENT) -> httpx.Response:
    url = f"http://127.0.0.1:{task.ports[8080]}{path}"
    return httpx.get(url, headers={"x-forwarded-for": client}, timeout=10, trust_env=False)


def test_a_request_goes_through_both_containers(task: Task) -> None:
    answer = ask(task, "/api/healthz")

    assert (answer.status_code, answer.json()["buildSha"]) == (200, "4f2c1d9")
    assert answer.headers["x-edge-track"] == "stable"
    assert re.fullmatch(r"web-next-test-edge-[0-9a-f]{8}", answer.headers["x-edge-id"])
    assert ask(task, "/dashboard").status_code == 200
    assert ask(task, "/dashboard", STRANGER).status_code == 403


def test_the_app_was_healthy_by_its_own_check_before_nginx_began(task: Task) -> None:
    app, edge = task.state("app"), task.state("edge")

    assert app["State"]["Health"]["Status"] == "healthy"
    assert app["State"]["Health"]["Log"][0]["End"] < edge["State"]["StartedAt"]


def test_each_has_its_own_user_its_memory_and_nothing_to_write_but_64_mib_of_tmp(task: Task) -> None:
    for name, user, mib in (("app", "10001", 768), ("edge", "33", 256)):
        assert task.execute(name, "id -u").strip() == user
        assert task.state(name)["HostConfig"]["Memory"] == mib * 2**20
        assert "Read-only file system" in task.execute(name, "touch /etc/x", code=1)
        assert "CapEff:\t0000000000000000" in task.execute(name, "cat /proc/self/status")
        assert task.execute(name, "ulimit -n").strip() == str(min(65536, FILES))
    full = "head -c 70000000 /dev/zero > /tmp/full; code=$?; rm -f /tmp/full; exit $code"
    assert "No space left" in task.execute("edge", full, code=1)
    assert ask(task, "/api/healthz").json()["checks"]["memory"]["ok"] is True


def test_a_slow_client_is_served_one_that_stops_is_cut_off_and_nobody_else_waits(task: Task) -> None:
    entry = json.dumps({"action": "deploy", "result": "ok"}).encode()
    head = (
        f"POST /api/audit/push HTTP/1.1\r\nhost: console.web-next.test\r\nx-forwarded-for: {CLIENT}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(entry)}\r\nconnection: close\r\n\r\n"
    ).encode()

    def drips(sent: bytes, seconds: float) -> tuple[bytes, float]:
        """What it is answered, and after how long."""
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", task.ports[8080]), timeout=30) as connection:
            for byte in range(0, len(sent), 16):
                connection.sendall(sent[byte : byte + 16])
                time.sleep(seconds * 16 / len(sent))
            answer = b""
            while part := connection.recv(65536):
                answer += part
        return answer, time.monotonic() - began

    with ThreadPoolExecutor(3) as pool:
        slow = pool.submit(drips, head + entry, 4)
        stops = pool.submit(drips, (head + entry)[:-5], 1)
        half = pool.submit(drips, head[:40], 1)
        for _ in range(20):
            assert ask(task, "/healthz").elapsed.total_seconds() < 1
            time.sleep(0.1)

    assert slow.result()[0].split()[1] == b"503", "the app has answered: it has no vault here"
    assert b"x-edge-track: stable" in slow.result()[0].lower()
    for cut, seconds in (stops.result(), half.result()):
        assert cut == b"" or b" 408 " in cut.splitlines()[0]
        assert 10 < seconds < 13


def test_the_task_ends_well_before_it_is_killed(definition: list[dict[str, object]], task: Task) -> None:
    for name, codes in (("edge", {0}), ("app", {0, 143})):  # 143 is who ended by SIGTERM, 137 who was killed
        began = time.monotonic()
        docker("stop", "--time", str(definition[0]["stopTimeout"]), task.containers[name])
        assert time.monotonic() - began < 10
        assert task.state(name)["State"]["ExitCode"] in codes


def test_an_option_that_docker_is_not_told_of_is_named(definition: list[dict[str, object]]) -> None:
    with pytest.raises(ValueError, match="initProcessEnabled, privileged: Docker is not told of it"):
        options(
            definition[0]
            | {
                "privileged": True,
                "linuxParameters": {"capabilities": {"drop": []}, "tmpfs": [], "initProcessEnabled": True},
            }
        )
