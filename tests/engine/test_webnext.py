"""web-next as the image that the stack runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.support import built
from tests.support.containers import LABEL, container, docker, free_port, healthy, wait_until

pytestmark = pytest.mark.engine

ENTRY = {"action": "deploy", "result": "ok"}


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return built.images()


@pytest.fixture
def service_container(images: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Start the image as the stack does, its vault out of reach; yield its id and address."""
    port = free_port()
    options = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    options += ["--publish", f"127.0.0.1:{port}:3003", "--env", "BUILD_SHA=4f2c1d9", "--env", "VERSION=1.5.1"]
    options += [
        "--env",
        "ADAPTER_AUDIT=production",
        "--env",
        "VAULT_PREFIX=web-next-test/",
        "--env",
        "AWS_EC2_METADATA_DISABLED=true",
    ]
    options += ["--env", "S3_REGION=eu-central-1", "--env", "FEATURE_AUTO_PAUSE=0.1"]
    with container(images["web-next"], *options) as running:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: httpx.get(f"{address}/healthz", trust_env=False).status_code == 200, "web-next")
        yield running, address


def test_the_image_reports_its_settings_and_answers_without_a_vault(
    service_container: tuple[str, str],
) -> None:
    _, address = service_container
    health = httpx.get(f"{address}/api/healthz", trust_env=False).json()
    push = httpx.post(f"{address}/api/audit/push", json=ENTRY, trust_env=False)

    assert (health["buildSha"], health["version"], health["flags"]["FEATURE_AUTO_PAUSE"]) == (
        "4f2c1d9",
        "1.5.1",
        0.1,
    )
    assert push.status_code == 503, "nothing could keep it"
    assert (push.json()["ok"], push.json()["_mock"]) == (False, True)


def test_the_image_logs_json_with_the_trace_id(service_container: tuple[str, str]) -> None:
    running, address = service_container
    httpx.get(f"{address}/nowhere", headers={"x-trace-id": "page-1234"}, trust_env=False)

    wait_until(lambda: "page-1234" in docker("logs", running), "the request's line", 10)
    lines = [json.loads(line) for line in docker("logs", running).splitlines()]
    assert [(line["path"], line["status"]) for line in lines if line.get("traceId") == "page-1234"] == [
        ("/nowhere", 404)
    ]
    assert not any(line.get("path") == "/healthz" for line in lines)


def test_the_image_runs_as_nobody_with_nothing_secret_in_its_environment(
    service_container: tuple[str, str],
) -> None:
    running, _ = service_container
    count = docker("exec", running, "sh", "-c", "printenv | grep -E '(KEY|SECRET|PASSWORD)' | wc -l")

    assert count == "0"
    assert docker("exec", running, "id", "-u") == "10001"


def test_the_image_says_that_it_is_healthy(service_container: tuple[str, str]) -> None:
    running, _ = service_container

    wait_until(lambda: healthy(running), "healthy container", 20)


def test_the_image_ends_when_it_is_told_to(service_container: tuple[str, str]) -> None:
    running, _ = service_container
    docker("stop", "--time", "10", running)

    assert docker("inspect", "--format", "{{.State.ExitCode}}", running) == "143", "137: it had to be killed"


def test_the_image_refuses_a_broken_environment_in_one_line(images: dict[str, str]) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--label", LABEL, "--env", "VAULT_PREFIX=x", images["web-next"]],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "web-next: VAULT_PREFIX is 'x': it must be a name that ends in '/', for example web-next-prod/"
    ]
