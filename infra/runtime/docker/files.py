"""The files that the service's processes read: a volume, because nothing can be copied into a read-only container."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra.naming import Names
from infra.runtime.docker.labels import labels
from infra.settings.keys import Settings
from infra.settings.sections import MachineSettings

FOLDER = "/etc/web-next"
AWS_CONFIG = f"{FOLDER}/aws.config"
AUTHORITY = f"{FOLDER}/ca.pem"


def aws_config(role_arn: str, region: str, emulator: str) -> str:
    """The app's AWS configuration: the role by way of instance metadata, so that it holds no credential."""
    return "\n".join(
        [
            "[default]",
            f"role_arn = {role_arn}",
            "credential_source = Ec2InstanceMetadata",
            f"region = {region}",
            f"endpoint_url = {emulator}",
            "",
        ]
    )


@dataclass(frozen=True, kw_only=True)
class FilesArgs:
    """`name` is the volume's and the container's; `contents` is text by path in `folder`, nothing of it secret."""

    name: str
    contents: Mapping[str, str]
    machine: MachineSettings
    folder: str = FOLDER

    @classmethod
    def of(cls, settings: Settings, names: Names) -> FilesArgs:
        machine = settings.require_machine()
        return cls(
            name=f"{names.prefix}-files-{machine.clone}",
            contents={
                AWS_CONFIG: aws_config(names.app_role_arn, settings.region, machine.emulator),
                AUTHORITY: Path(machine.authority).read_text(),
            },
            machine=machine,
        )

    @property
    def volume(self) -> FilesVolume:
        """The volume as it will be."""
        return FilesVolume(volume=self.name, digest=self.digest)

    @property
    def digest(self) -> str:
        """Of the contents."""
        return hashlib.sha256(repr(sorted(self.contents.items())).encode()).hexdigest()[:12]


@dataclass(frozen=True, kw_only=True)
class FilesVolume:
    """A volume with the files in it; whoever has read them must be made anew when `digest` changes. `filled_by` is
    what fills it, where that is of the same stack."""

    volume: pulumi.Input[str]
    digest: pulumi.Input[str]
    filled_by: Sequence[pulumi.Resource] = ()


class Files(pulumi.ComponentResource):
    """The volume, and a container that never runs: it is how Docker is handed what goes into a volume."""

    filled: FilesVolume

    def __init__(self, name: str, args: FilesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Files", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        volume = docker.Volume(name, name=args.name, labels=labels(docker.VolumeLabelArgs, args.machine), opts=child)
        docker.Container(
            name,
            name=args.name,
            image=args.machine.edge_image,
            uploads=[
                docker.ContainerUploadArgs(file=path, content=text) for path, text in sorted(args.contents.items())
            ],
            volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path=args.folder)],
            labels=labels(docker.ContainerLabelArgs, args.machine, role="files"),
            network_mode="none",
            start=False,
            must_run=False,
            opts=child,
        )
        self.filled = replace(args.volume, filled_by=[self])
        self.register_outputs({"volume": args.name})
