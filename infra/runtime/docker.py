"""The docker runtime: releases and the edge as containers on this clone's network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra.edge import LISTEN, EdgeConfig, render
from infra.naming import Names
from infra.release import PORT, Release
from infra.settings import MachineSettings, Settings

_AWS_CONFIG = "/etc/web-next/aws.config"
_LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}


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
class DockerReleaseArgs:
    """`name` is the container's; `address` is the slot's fixed address; `role_arn` is whom the app runs as."""

    name: str
    release: Release
    address: str
    role_arn: str
    region: str
    machine: MachineSettings

    @classmethod
    def of(cls, settings: Settings, names: Names, release: Release) -> DockerReleaseArgs:
        machine = settings.require_machine()
        return cls(
            name=f"{names.prefix}-{release.track}-{machine.clone}",
            release=release,
            address=str(machine.stable_address),
            role_arn=names.app_role_arn,
            region=settings.region,
            machine=machine,
        )


class DockerRelease(pulumi.ComponentResource):
    """One app container in its slot, healthy before it counts as created."""

    container: docker.Container
    address: str

    def __init__(self, name: str, args: DockerReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Release", name, None, opts)
        environment = {
            **args.release.environment,
            "AWS_CONFIG_FILE": _AWS_CONFIG,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": args.machine.emulator,
        }
        self.address = f"{args.address}:{PORT}"
        self.container = docker.Container(
            name,
            name=args.name,
            image=args.release.image,
            envs=[f"{key}={value}" for key, value in sorted(environment.items())],
            uploads=[
                docker.ContainerUploadArgs(
                    file=_AWS_CONFIG, content=aws_config(args.role_arn, args.region, args.machine.emulator)
                )
            ],
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=args.machine.network, ipv4_address=args.address)
            ],
            labels=_labels(args.machine, args.release.track),
            capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"]),
            security_opts=["no-new-privileges:true"],
            memory=256,
            log_driver="json-file",
            log_opts=_LOG_OPTIONS,
            restart="unless-stopped",
            healthcheck=docker.ContainerHealthcheckArgs(
                tests=["CMD", "python3", "-ISc", _health(PORT)],
                interval="1s",
                timeout="2s",
                retries=3,
                start_period="20s",
            ),
            wait=True,
            wait_timeout=60,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"address": self.address})


@dataclass(frozen=True, kw_only=True)
class DockerEdgeArgs:
    """`config` is nginx.conf; `image` is nginx's image id."""

    name: str
    config: str
    url: str
    image: str
    machine: MachineSettings

    @classmethod
    def of(cls, settings: Settings, names: Names, config: EdgeConfig) -> DockerEdgeArgs:
        machine = settings.require_machine()
        return cls(
            name=f"{names.prefix}-edge-{machine.clone}",
            config=render(config),
            url=settings.origin,
            image=machine.edge_image,
            machine=machine,
        )


class DockerEdge(pulumi.ComponentResource):
    """nginx on a loopback port of this machine, with the certificate that `make up` made."""

    container: docker.Container
    url: str

    def __init__(self, name: str, args: DockerEdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Edge", name, None, opts)
        machine = args.machine
        tls = Path(machine.tls_folder).resolve()
        self.url = args.url
        self.container = docker.Container(
            name,
            name=args.name,
            image=args.image,
            uploads=[docker.ContainerUploadArgs(file="/etc/nginx/nginx.conf", content=args.config)],
            volumes=[
                # The folder, not its files: a renewed certificate is a new file under the old name.
                docker.ContainerVolumeArgs(host_path=str(tls), container_path="/etc/nginx/tls", read_only=True)
            ],
            ports=[docker.ContainerPortArgs(internal=LISTEN, external=machine.edge_port, ip="127.0.0.1")],
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=machine.network, ipv4_address=str(machine.edge_address))
            ],
            labels=_labels(machine, "edge"),
            capabilities=docker.ContainerCapabilitiesArgs(
                drops=["ALL"], adds=["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETGID", "CAP_SETUID"]
            ),
            security_opts=["no-new-privileges:true"],
            memory=128,
            log_driver="json-file",
            log_opts=_LOG_OPTIONS,
            restart="unless-stopped",
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"url": self.url})


def _labels(machine: MachineSettings, role: str) -> list[docker.ContainerLabelArgs]:
    labels = {"web-next.clone": machine.clone, "web-next.role": role}
    return [docker.ContainerLabelArgs(label=label, value=value) for label, value in sorted(labels.items())]


def _health(port: int) -> str:
    return (
        f"import socket; s = socket.create_connection(('127.0.0.1', {port}), 2); "
        r"s.sendall(b'GET /healthz HTTP/1.0\r\n\r\n'); raise SystemExit(b' 200 ' not in s.recv(64))"
    )
