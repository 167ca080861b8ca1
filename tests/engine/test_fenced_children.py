"""Canaries of the children that unit tests have not: each asks somebody outside, and ends at the closed proxy."""

from __future__ import annotations

import os
import socket
import subprocess
import threading

import pytest

from tests.support import fence
from tests.support.engine import Emulator, Project

pytestmark = pytest.mark.engine

NOWHERE = "192.0.2.1"


def test_a_program_that_pulumi_runs_ends_at_the_closed_proxy(project: Project) -> None:
    project.write(f"""
        import urllib.request
        urllib.request.urlopen("https://{NOWHERE}/", timeout=3)
        """)

    assert "Connection refused" in project.run("preview", code=None).text


def test_a_provider_of_aws_asks_the_emulator_and_nobody_else(project: Project, emulator: Emulator) -> None:
    """Not even where a program names AWS: the stand-in refuses, and its environment has the proxy."""
    project.write(
        emulator.provider.replace(emulator.url, "https://sns.eu-central-1.amazonaws.com"),
        'aws.sns.Topic("topic", name="x", opts=opts)',
    )

    assert "accept only localhost" in project.run("up", "--yes", "--skip-preview", code=None).text
    assert project.environment["HTTPS_PROXY"] == fence.PROXY


def test_dockers_command_goes_by_the_proxy() -> None:
    """It says no more than that there is no daemon: so a listener in the proxy's place sees who was asked for."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def listen() -> None:
            connection, _ = proxy.accept()
            proxy.close()  # whoever asks again is refused
            with connection:
                asked.append(connection.recv(1000))

        thread = threading.Thread(target=listen)
        thread.start()
        seen = os.environ | {"HTTP_PROXY": f"http://127.0.0.1:{proxy.getsockname()[1]}"}
        command = ["docker", "-H", f"tcp://{NOWHERE}:2375", "version"]
        subprocess.run(command, env=seen, capture_output=True, timeout=30)
        thread.join(5)
    assert NOWHERE.encode() in asked[0].splitlines()[0]

    refused = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert refused.returncode != 0
    assert "Cannot connect to the Docker daemon" in refused.stderr
