"""What runs of the service on a machine: a release's app and worker, and the executor's double."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from infra.naming import Names
from infra.release import PORT, Release
from infra.runtime.docker.files import FilesVolume
from infra.runtime.docker.labels import labels
from infra.runtime.docker.process import Process
from infra.settings.keys import EXECUTOR_PORT, Settings
from infra.settings.sections import MachineSettings
from outputs.smoke import DockerProcesses

DOUBLE_DATA = "/var/lib/web-next-executor"


@dataclass(frozen=True, kw_only=True)
class DockerServiceArgs:
    """`prefix` starts the containers' names; `files` is what each of them reads; `address` is the slot's."""

    prefix: str
    release: Release
    files: FilesVolume
    address: pulumi.Input[str]
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
    ) -> DockerServiceArgs:
        return cls(
            prefix=names.prefix,
            release=release,
            files=files,
            address=address,
            machine=settings.require_machine(),
            worker_command=settings.worker_command,
            health_command=settings.health_command,
        )

    def called(self, part: str) -> str:
        """The name of a container or volume."""
        return f"{self.prefix}-{part}-{self.machine.clone}"

    @property
    def processes(self) -> DockerProcesses:
        """The release's containers."""
        track = self.release.track
        return DockerProcesses(app=self.called(track), worker=self.called("worker") if track == "stable" else None)


class DockerRelease(pulumi.ComponentResource):
    """The app in its slot, started as its image says, and on the stable track the worker of the alert queues."""

    container: docker.Container
    worker: docker.Container | None = None

    def __init__(self, name: str, args: DockerServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Release", name, None, opts)
        release, machine = args.release, args.machine
        self.container = Process(
            name=args.called(release.track),
            role=release.track,
            port=PORT,
            memory=256,
            release=release,
            files=args.files,
            health_command=args.health_command,
            machine=machine,
            address=args.address,
        ).container(name, self)
        if release.track == "stable":
            self.worker = Process(
                name=args.called("worker"),
                role="worker",
                command=args.worker_command,
                port=PORT,
                memory=256,
                release=release,
                files=args.files,
                health_command=args.health_command,
                machine=machine,
            ).container("worker", self)
        self.register_outputs({})


class DockerExecutor(pulumi.ComponentResource):
    """The double of the executor, for stacks that have no real one; what it has taken outlives it, in a volume."""

    container: docker.Container

    def __init__(self, name: str, args: DockerServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Executor", name, None, opts)
        machine = args.machine
        volume = docker.Volume(
            name,
            name=args.called("executor"),
            labels=labels(docker.VolumeLabelArgs, machine),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.container = Process(
            name=args.called("executor"),
            role="executor",
            command=["python3", "-m", "webnext", "executor"],
            port=EXECUTOR_PORT,
            memory=256,
            release=args.release,
            files=args.files,
            machine=machine,
            address=str(machine.executor_address),
            environment={"DOUBLE_DATA": DOUBLE_DATA},
            volumes={DOUBLE_DATA: volume.name},
        ).container(name, self)
        self.register_outputs({"container": self.container.name})
