"""Containers for one test, published on 127.0.0.1 only and removed with it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from offline.emulator.process import Process, start_of
from offline.machine import clone_id

OWNER = Process(os.getpid(), start_of(os.getpid()) or "")
LABEL = f"web-next.test={clone_id()} {OWNER.pid} {OWNER.started}"
"""What every container, network and volume of this clone's tests carries: whose it is, for `tests.support.left`."""


def docker(*arguments: str) -> str:
    """Run a docker command and return its output, both streams. Raises CalledProcessError."""
    done = subprocess.run(
        ["docker", *arguments], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        done.check_returncode()
    except subprocess.CalledProcessError as error:
        error.add_note(done.stdout)
        raise
    return done.stdout.strip()


def pause(name: str) -> None:
    """Have a container hang: connections stay, nothing answers. The freezer gives up on one that is busy, and is asked
    again."""
    wait_until(lambda: bool(docker("pause", name)), f"{name} to be frozen")


@contextmanager
def network() -> Iterator[str]:
    """Create a bridge network; yield its name."""
    name = f"web-next-test-{uuid.uuid4().hex[:8]}"
    docker("network", "create", "--label", LABEL, name)
    try:
        yield name
    finally:
        docker("network", "rm", name)


@contextmanager
def container(image: str, *options: str, command: tuple[str, ...] = ()) -> Iterator[str]:
    """Start a container; yield its id; remove it and its volumes."""
    name = f"web-next-test-{uuid.uuid4().hex[:8]}"
    try:
        yield docker("run", "--detach", "--name", name, "--label", LABEL, *options, image, *command)
    finally:
        docker("rm", "--force", "--volumes", name)


def healthy(name: str) -> bool:
    """Whether the health check that a container has succeeds: Docker itself looks every half minute."""
    kind, *command = json.loads(docker("inspect", "--format", "{{json .Config.Healthcheck.Test}}", name))
    assert kind == "CMD"
    return subprocess.run(["docker", "exec", name, *command], capture_output=True, check=False).returncode == 0


def address(name: str) -> str:
    """Where a container is on its network."""
    return docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(check: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Return when `check` does not fail and says True; raise TimeoutError naming `what` otherwise."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except Exception:
            if time.monotonic() > deadline - 0.2:
                raise
        time.sleep(0.1)
    raise TimeoutError(f"{what}: not within {seconds:g} s")
