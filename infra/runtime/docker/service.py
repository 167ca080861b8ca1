"""What runs of a release on a machine: its app and its worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from urllib.parse import urlsplit

import pulumi
import pulumi_docker as docker

from infra.naming import Names
from infra.release import PORT, Release
from infra.runtime.docker.files import FilesVolume
from infra.runtime.docker.process import Process
from infra.settings.keys import Settings
from infra.settings.sections import MachineSettings
from outputs.smoke import DockerProcesses


@dataclass(frozen=True, kw_only=True)
class DockerServiceArgs:
    """`prefix` starts the containers' names; `files` is what each of them reads; `address` is the slot's app's, and
    `worker_address` its worker's where that is fixed; `outside` is whether both get a way out."""

    prefix: str
    release: Release
    files: FilesVolume
    address: pulumi.Input[str]
    outside: pulumi.Input[bool]
    worker_address: pulumi.Input[str] | None
    machine: MachineSettings
    worker_command: Sequence[str]
    health_command: Sequence[str]

    @classmethod
    def of(
        cls,
        settings: Settings,
        names: Names,
        release: Release,
        files: FilesVolume,
        address: pulumi.Input[str],
        outside: pulumi.Input[bool],
        worker_address: pulumi.Input[str] | None = None,
    ) -> DockerServiceArgs:
        return cls(
            prefix=names.prefix,
            release=release,
            files=files,
            address=address,
            outside=outside,
            worker_address=worker_address,
            machine=settings.require_machine(),
            worker_command=settings.worker_command,
            health_command=settings.health_command,
        )

    def called(self, part: str) -> str:
        """The name of a container."""
        return f"{self.prefix}-{part}-{self.machine.clone}"

    @property
    def processes(self) -> DockerProcesses:
        """The release's containers."""
        return DockerProcesses(app=self.called(self.release.track), worker=self.called("worker"))

    def process(self, role: str, address: pulumi.Input[str] | None, command: Sequence[str] | None = None) -> Process:
        """One of the two, at an address, or at any."""
        return Process(
            name=self.called(role),
            role=role,
            image=self.release.image,
            command=command,
            port=PORT,
            environment=self.release.environment,
            files=self.files,
            health_command=self.health_command,
            machine=self.machine,
            address=address,
            outside=self.outside,
            marks={"track": self.release.track},
        )


def needs_outside(settings: Settings) -> bool:
    """Whether app and worker call somebody who is not on the clone's network: a setting names him, or says so."""
    near = IPv4Network(f"{settings.require_machine().edge_address}/24", strict=False)
    named = [urlsplit(url).hostname for url in (settings.executor, settings.telemetry.endpoint) if url]
    return settings.outside or not {*named} <= {str(address) for address in near}


class DockerRelease(pulumi.ComponentResource):
    """The app in its slot, started as its image says, and the worker, which delivers while its track's flag is on."""

    container: docker.Container
    worker: docker.Container

    def __init__(self, name: str, args: DockerServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Release", name, None, opts)
        self.container = args.process(args.release.track, args.address).container(name, self)
        self.worker = args.process("worker", args.worker_address, args.worker_command).container("worker", self)
        self.register_outputs({})
