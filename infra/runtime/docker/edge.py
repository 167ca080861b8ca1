"""The edge on a machine: nginx, the one container that is reached from outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra.naming import Names
from infra.nginx import FOLDER, WEIGHTS, EdgeConfig, render
from infra.runtime.docker.container import contained, listens
from infra.runtime.docker.edge_files import CAPABILITIES, CONFIG, EdgeFiles
from infra.runtime.docker.labels import labels
from infra.settings.keys import Settings
from infra.settings.sections import MachineSettings
from infra.shapes import later
from outputs.traffic import DockerTraffic


@dataclass(frozen=True, kw_only=True)
class DockerEdgeArgs:
    """`config` is nginx.conf; `listen` its port in the container; `image` is nginx's image id."""

    name: str
    config: str
    listen: int
    url: str
    image: str
    machine: MachineSettings

    @classmethod
    def of(cls, settings: Settings, names: Names, config: EdgeConfig) -> DockerEdgeArgs:
        machine = settings.require_machine()
        return cls(
            name=f"{names.prefix}-edge-{machine.clone}",
            config=render(config),
            listen=config.listen,
            url=settings.origin,
            image=machine.edge_image,
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
            {
                "config": args.config,
                "container": args.name,
                "image": args.image,
                "labels": {"web-next.clone": machine.clone, "web-next.role": "edge-files"},
                "network": machine.network,
                "tls": tls,
                "volume": volume.name,
            },
            child,
        )
        self.container = contained(
            name,
            machine=machine,
            role="edge",
            opts=pulumi.ResourceOptions(parent=self, depends_on=[files]),
            memory=128,
            health=listens(args.listen),
            address=str(machine.edge_address),
            capabilities=CAPABILITIES,
            tmpfs=64,
            name=args.name,
            image=args.image,
            command=["nginx", "-c", CONFIG, "-g", "daemon off;"],
            volumes=[
                # The folder, not its files: a renewed certificate is a new file under the old name.
                docker.ContainerVolumeArgs(host_path=tls, container_path="/etc/nginx/tls", read_only=True),
                # For its root alone, who sets the weights: the workers are www-data.
                docker.ContainerVolumeArgs(volume_name=volume.name, container_path=FOLDER),
            ],
            ports=[docker.ContainerPortArgs(internal=args.listen, external=machine.edge_port, ip="127.0.0.1")],
        )
        self.traffic = DockerTraffic(container=later(self.container.name), folder=WEIGHTS)
        self.register_outputs({"url": self.url})
