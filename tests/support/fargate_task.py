"""A task of Fargate on Docker: the containers of its definition with exactly the options that stand in it.

They share addresses and ports, as under awsvpc. Not from the definition: images of this machine, where logs go, and the
tests' fence around what is asked outside.
"""

from __future__ import annotations

import resource
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import docker as sdk
from docker.types import Healthcheck, Ulimit

from tests.support import fence
from tests.support.containers import LABEL, docker, free_port, wait_until

SECOND = 10**9
"""Of a health check, which Docker counts in nanoseconds."""
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
"""How many files may be open at once on this machine, at most: its Docker gives no container more."""
LEFT = {"name", "image", "essential", "logConfiguration", "portMappings", "dependsOn"}
"""What is no option of one container here: the task does it, or a word above says what takes its place."""


@dataclass(frozen=True)
class Task:
    """A running task: its containers' ids by name, and the port of this machine that leads to each of theirs."""

    containers: Mapping[str, str]
    ports: Mapping[int, int]

    def state(self, name: str) -> dict[str, Any]:
        """What Docker says of a container."""
        with _client() as client:
            return dict(client.api.inspect_container(self.containers[name]))

    def execute(self, name: str, script: str, code: int = 0) -> str:
        """What a shell in the container says, which ends with this code."""
        with _client() as client:
            done = client.containers.get(self.containers[name]).exec_run(["sh", "-c", script])
        assert done.exit_code == code, done.output
        return str(done.output.decode())


@contextmanager
def running_task(definition: Sequence[Mapping[str, Any]], images: Mapping[str, str], subnet: str) -> Iterator[Task]:
    """The containers of a definition, each started when what it depends on is healthy; the network has the subnet."""
    suffix = secrets.token_hex(4)
    network = f"web-next-test-{suffix}"
    ports = {mapping["containerPort"]: free_port() for one in definition for mapping in one.get("portMappings", ())}
    started: dict[str, str] = {}
    with ExitStack() as ended:
        docker("network", "create", "--label", LABEL, "--subnet", subnet, network)
        ended.callback(docker, "network", "rm", network)
        client = ended.enter_context(_client())
        for one in definition:
            name = f"{network}-{one['name']}"
            place: dict[str, Any] = {
                "network": network,
                "ports": {f"{inside}/tcp": ("127.0.0.1", outside) for inside, outside in ports.items()},
            }
            if started:
                place = {"network_mode": f"container:{next(iter(started.values()))}"}
            for needed in one.get("dependsOn", ()):
                assert needed["condition"] == "HEALTHY"
                _wait_healthy(client, started[needed["containerName"]])
            ended.callback(docker, "rm", "--force", "--volumes", name)
            label, _, owner = LABEL.partition("=")
            made = client.containers.run(
                images[one["name"]], name=name, detach=True, labels={label: owner}, **options(one), **place
            )
            started[one["name"]] = str(made.id)
        yield Task(started, ports)


def options(one: Mapping[str, Any]) -> dict[str, Any]:
    """Docker's words for a container definition's. Raises ValueError for one that nobody has translated."""
    linux = dict(one.get("linuxParameters", {}))
    made: dict[str, Any] = {
        "environment": fence.ENVIRONMENT | {pair["name"]: pair["value"] for pair in one.get("environment", ())},
        "mem_limit": f"{one['memory']}m",
        "memswap_limit": f"{one['memory']}m",
        "read_only": one["readonlyRootFilesystem"],
        "cap_drop": linux.pop("capabilities")["drop"],
        "tmpfs": {
            each["containerPath"]: ",".join((f"size={each['size']}m", *each["mountOptions"]))
            for each in linux.pop("tmpfs")
        },
        "ulimits": [
            Ulimit(name=each["name"], soft=min(each["softLimit"], FILES), hard=min(each["hardLimit"], FILES))
            for each in one["ulimits"]
        ],
        "security_opt": ["no-new-privileges"],
    }
    known = {"environment", "memory", "readonlyRootFilesystem", "linuxParameters", "ulimits", "stopTimeout"}
    for name, theirs in (("user", "user"), ("entryPoint", "entrypoint"), ("command", "command")):
        known.add(name)
        if name in one:
            made[theirs] = one[name]
    if health := one.get("healthCheck"):
        made["healthcheck"] = Healthcheck(
            test=health["command"],
            interval=health["interval"] * SECOND,
            timeout=health["timeout"] * SECOND,
            retries=health["retries"],
            start_period=health["startPeriod"] * SECOND,
        )
    if strange := linux.keys() | (one.keys() - known - LEFT - {"healthCheck"}):
        raise ValueError(f"{', '.join(sorted(strange))}: Docker is not told of it")
    return made


@contextmanager
def _client() -> Iterator[Any]:
    client = sdk.DockerClient(base_url="unix:///var/run/docker.sock", timeout=60)
    try:
        yield client
    finally:
        client.close()


def _wait_healthy(client: Any, container: str) -> None:
    def healthy() -> bool:
        return bool(client.api.inspect_container(container)["State"]["Health"]["Status"] == "healthy")

    wait_until(healthy, "health by the definition's own check", 60)
