"""The edge on a machine: nginx, the one container that is reached from outside."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra.naming import Names
from infra.nginx import FOLDER, LINES, TEMPLATES, TMP_MIB, WEIGHTS, EdgeConfig, render
from infra.release import PORT
from infra.runtime.docker.container import contained, listens
from infra.runtime.docker.edge_files import CAPABILITIES, EdgeFiles, EdgeFilesArgs, own_pair
from infra.runtime.docker.labels import labels
from infra.settings.keys import Settings
from infra.settings.sections import MachineSettings
from infra.shapes import later
from outputs.traffic import DockerTraffic

MEMORY_MIB = 608
"""Of nginx: 3,072 connections in each worker. It has 10 until somebody opens them."""
LINES_MIB, FILE_BYTES = 32, 8 * 2**20
"""The memory for the log, and where its file is begun anew, after some 22,000 lines: a new reader reads it again."""


@dataclass(frozen=True, kw_only=True)
class DockerEdgeArgs:
    """`name` is the container's and its configuration's volume, `lines` the log's; `url` is how the edge is reached
    from this machine."""

    name: str
    lines: str
    config: EdgeConfig
    url: str
    machine: MachineSettings

    @classmethod
    def of(cls, settings: Settings, names: Names) -> DockerEdgeArgs:
        """The edge before both slots of a machine."""
        machine, edge = settings.require_machine(), settings.edge
        tracks = {"stable": machine.stable_address, "candidate": machine.candidate_address}
        return cls(
            name=f"{names.prefix}-edge-{machine.clone}",
            lines=f"{names.prefix}-edge-lines-{machine.clone}",
            config=EdgeConfig(
                edge_id=f"{names.prefix}-edge",
                server_name=settings.domain,
                upstreams={track: f"{address}:{PORT}" for track, address in tracks.items()},
                rate_per_minute=edge.rate_per_minute,
                burst=edge.burst,
                limits=edge.limits,
                access=settings.access.edge,
                memory=MEMORY_MIB,
                weights=WEIGHTS,
                trusted_proxies=[str(network) for network in edge.trusted_proxies],
                trusted_callers=[machine.outside_gateway, *map(str, edge.trusted_callers)],
                pinning=edge.pinning,
                lines=f"{LINES}/lines",
            ),
            url=settings.origin,
            machine=machine,
        )


class DockerEdge(pulumi.ComponentResource):
    """nginx on a loopback port of this machine, with the certificate that `make up` made. Its configuration is in a
    volume, so that a change of it is a HUP and no other container."""

    container: docker.Container
    lines: docker.Volume
    """The log in memory, for its reader."""
    url: str
    traffic: DockerTraffic
    """Where the split between the tracks is set."""

    def __init__(self, name: str, args: DockerEdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Edge", name, None, opts)
        machine = args.machine
        child = pulumi.ResourceOptions(parent=self)
        tls = str(Path(machine.tls_folder).resolve())
        self.url = args.url
        volume = docker.Volume(name, name=args.name, labels=labels(docker.VolumeLabelArgs, machine), opts=child)
        self.lines = docker.Volume(
            f"{name}-lines",
            name=args.lines,
            driver="local",
            driver_opts={
                "type": "tmpfs",
                "device": "tmpfs",
                "o": f"size={LINES_MIB}m,mode=0755,nodev,nosuid,noexec",
            },
            labels=labels(docker.VolumeLabelArgs, machine),
            opts=child,
        )
        command = ["bash", "-c", (TEMPLATES / "edge.sh").read_text(), args.config.edge_id, str(FILE_BYTES)]
        files = EdgeFiles(
            name,
            EdgeFilesArgs(
                config=render(args.config),
                container=args.name,
                definition=hashlib.sha256(repr([machine.edge_image, command, LINES, args.lines]).encode()).hexdigest(),
                image=machine.edge_image,
                labels={"web-next.clone": machine.clone, "web-next.role": "edge-files"},
                network=machine.network,
                tls=tls,
                volume=volume.name,
            ),
            child,
        )
        self.container = contained(
            name,
            machine=machine,
            role="edge",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[files]),
            memory=args.config.memory + LINES_MIB,
            health=listens(args.config.listen),
            networks={
                machine.network: str(machine.edge_address),
                machine.outside_network: str(machine.outside_address),
            },
            capabilities=CAPABILITIES,
            tmpfs=TMP_MIB,
            name=args.name,
            image=machine.edge_image,
            command=command,
            volumes=[
                # Its own pair, of a folder that has the databases' too; a renewed one comes with its next start.
                *(
                    docker.ContainerVolumeArgs(host_path=here, container_path=there, read_only=True)
                    for here, there in own_pair(tls).items()
                ),
                # For its root alone, who sets the weights: the workers are www-data.
                docker.ContainerVolumeArgs(volume_name=volume.name, container_path=FOLDER),
                docker.ContainerVolumeArgs(volume_name=self.lines.name, container_path=LINES),
            ],
            ports=[docker.ContainerPortArgs(internal=args.config.listen, external=machine.edge_port, ip="127.0.0.1")],
        )
        self.traffic = DockerTraffic(container=later(self.container.name), folder=WEIGHTS)
        self.register_outputs({"url": self.url})
