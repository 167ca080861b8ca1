"""The edge on a machine: nginx, the one container that is reached from outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra.naming import Names
from infra.nginx import FOLDER, WEIGHTS, EdgeConfig, render
from infra.release import PORT
from infra.runtime.docker.container import contained, listens
from infra.runtime.docker.edge_files import CAPABILITIES, CONFIG, EdgeFiles, EdgeFilesArgs
from infra.runtime.docker.labels import labels
from infra.settings.keys import Settings
from infra.settings.sections import MachineSettings
from infra.shapes import later
from outputs.traffic import DockerTraffic


@dataclass(frozen=True, kw_only=True)
class DockerEdgeArgs:
    """`name` is the container's and the volume's; `url` is how the edge is reached from this machine."""

    name: str
    config: EdgeConfig
    url: str
    machine: MachineSettings

    @classmethod
    def of(cls, settings: Settings, names: Names, reader: str) -> DockerEdgeArgs:
        """The edge before both slots of a machine; `reader` is the host:port that gets its log."""
        machine, edge = settings.require_machine(), settings.edge
        tracks = {"stable": machine.stable_address, "candidate": machine.candidate_address}
        return cls(
            name=f"{names.prefix}-edge-{machine.clone}",
            config=EdgeConfig(
                edge_id=f"{names.prefix}-edge",
                server_name=settings.domain,
                upstreams={track: f"{address}:{PORT}" for track, address in tracks.items()},
                rate_per_minute=edge.rate_per_minute,
                burst=edge.burst,
                weights=WEIGHTS,
                trusted_proxies=[str(network) for network in edge.trusted_proxies],
                trusted_callers=[machine.gateway, *map(str, edge.trusted_callers)],
                pinning=edge.pinning,
                reader=reader,
            ),
            url=settings.origin,
            machine=machine,
        )


class DockerEdge(pulumi.ComponentResource):
    """nginx on a loopback port of this machine, with the certificate that `make up` made. Its configuration is in a
    volume, so that a change of it is a HUP and no other container."""

    container: docker.Container
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
        files = EdgeFiles(
            name,
            EdgeFilesArgs(
                config=render(args.config),
                container=args.name,
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
            memory=128,
            health=listens(args.config.listen),
            address=str(machine.edge_address),
            capabilities=CAPABILITIES,
            tmpfs=64,
            name=args.name,
            image=machine.edge_image,
            command=["nginx", "-c", CONFIG, "-g", "daemon off;"],
            volumes=[
                # The folder, not its files: a renewed certificate is a new file under the old name.
                docker.ContainerVolumeArgs(host_path=tls, container_path="/etc/nginx/tls", read_only=True),
                # For its root alone, who sets the weights: the workers are www-data.
                docker.ContainerVolumeArgs(volume_name=volume.name, container_path=FOLDER),
            ],
            ports=[docker.ContainerPortArgs(internal=args.config.listen, external=machine.edge_port, ip="127.0.0.1")],
        )
        self.traffic = DockerTraffic(container=later(self.container.name), folder=WEIGHTS)
        self.register_outputs({"url": self.url})
