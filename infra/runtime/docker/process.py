"""A process of one of the service's images, in a container that can do nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from infra.runtime.docker.container import contained
from infra.runtime.docker.files import AUTHORITY, AWS_CONFIG, FOLDER, FilesVolume
from infra.settings.sections import MachineSettings

MEMORY = 256
"""MiB of each process (docs/contract.md)."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """What runs: `role` names it in the container's label, beside `marks`; `command` is run instead of the image's own.

    It is healthy when `health_command` succeeds: without one, when GET /healthz on `port` says 200, asked by the
    image's python3. Without an `address` it gets any.
    """

    name: str
    role: str
    image: str
    port: int
    environment: pulumi.Input[Mapping[str, str]]
    files: FilesVolume
    machine: MachineSettings
    command: Sequence[str] | None = None
    health_command: Sequence[str] = ()
    address: pulumi.Input[str] | None = None
    outside: pulumi.Input[bool] = False
    """Whether it gets a way out of the clone's network."""
    marks: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """The names of the volumes that it writes to, by path."""

    def container(self, name: str, parent: pulumi.Resource) -> docker.Container:
        """Declares the container."""
        own = {
            "AWS_CONFIG_FILE": AWS_CONFIG,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.machine.emulator,
            "EDGE_PEERS": str(self.machine.edge_address),
            "REDIS_CA_FILE": AUTHORITY,
        }
        return contained(
            name,
            machine=self.machine,
            role=self.role,
            opts=pulumi.ResourceOptions(parent=parent, depends_on=self.files.filled_by),
            memory=MEMORY,
            health=self.health_command or ("python3", "-ISc", _health(self.port)),
            networks=pulumi.Output.all(self.address, self.outside).apply(lambda known: self._networks(*known)),
            marks={"files": self.files.digest, **self.marks},
            name=self.name,
            image=self.image,
            command=self.command and [*self.command],
            envs=pulumi.Output.from_input(self.environment).apply(
                lambda given: [f"{key}={value}" for key, value in sorted({**given, **own}.items())]
            ),
            volumes=[
                docker.ContainerVolumeArgs(volume_name=self.files.volume, container_path=FOLDER, read_only=True),
                *(
                    docker.ContainerVolumeArgs(volume_name=volume, container_path=path)
                    for path, volume in self.volumes.items()
                ),
            ],
        )

    def _networks(self, address: str | None, outside: bool) -> dict[str, str | None]:
        return {self.machine.network: address, **({self.machine.outside_network: None} if outside else {})}


def _health(port: int) -> str:
    return (
        f"import socket; s = socket.create_connection(('127.0.0.1', {port}), 2); "
        r"s.sendall(b'GET /healthz HTTP/1.0\r\n\r\n'); raise SystemExit(b' 200 ' not in s.recv(64))"
    )
