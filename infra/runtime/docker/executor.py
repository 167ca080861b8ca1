"""The executor's double, for stacks that have no real executor. It is the machine's, and no part of a release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from infra.naming import Names
from infra.release import shared_environment
from infra.runtime.docker.files import FilesVolume
from infra.runtime.docker.labels import labels
from infra.runtime.docker.process import Process
from infra.settings.keys import EXECUTOR_PORT, Settings
from infra.settings.sections import MachineSettings

DATA = "/var/lib/web-next-executor"
TOLD = ("ENVIRONMENT", "NEXT_PUBLIC_EXECUTOR_URL", "S3_REGION", "VAULT_ENTRIES", "VAULT_PREFIX")
"""What it is told of what a release is told: where it is, where its data go, and whether calls show a token."""


@dataclass(frozen=True, kw_only=True)
class DockerExecutorArgs:
    """`name` is the container's and its volume's; nothing here changes with a release."""

    name: str
    environment: Mapping[str, str]
    files: FilesVolume
    machine: MachineSettings

    @classmethod
    def of(cls, settings: Settings, names: Names, files: FilesVolume) -> DockerExecutorArgs:
        machine = settings.require_machine()
        shared = shared_environment(settings, names, "stable")
        return cls(
            name=f"{names.prefix}-executor-{machine.clone}",
            environment={key: value for key, value in shared.items() if key in TOLD},
            files=files,
            machine=machine,
        )


class DockerExecutor(pulumi.ComponentResource):
    """The double's container; what it has taken outlives it, in a volume."""

    container: docker.Container

    def __init__(self, name: str, args: DockerExecutorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Executor", name, None, opts)
        machine = args.machine
        volume = docker.Volume(
            name,
            name=args.name,
            labels=labels(docker.VolumeLabelArgs, machine),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.container = Process(
            name=args.name,
            role="executor",
            image=machine.double_image,
            command=["python3", "-m", "webnext", "executor"],
            port=EXECUTOR_PORT,
            environment={**args.environment, "DOUBLE_DATA": DATA},
            files=args.files,
            machine=machine,
            address=str(machine.executor_address),
            volumes={DATA: volume.name},
        ).container(name, self)
        self.register_outputs({"container": self.container.name})
