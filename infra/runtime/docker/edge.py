"""The edge on a machine: nginx, the one container that is reached from outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra.edge import EdgeConfig, render
from infra.naming import Names
from infra.runtime.docker.labels import labels
from infra.runtime.docker.process import LOG_OPTIONS, healthy_when
from infra.settings import MachineSettings, Settings


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
            labels=labels(docker.ContainerLabelArgs, machine, role="edge"),
            capabilities=docker.ContainerCapabilitiesArgs(
                drops=["ALL"], adds=["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETGID", "CAP_SETUID"]
            ),
            security_opts=["no-new-privileges:true"],
            memory=128,
            log_driver="json-file",
            log_opts=LOG_OPTIONS,
            restart="unless-stopped",
            healthcheck=healthy_when("bash", "-c", f"</dev/tcp/127.0.0.1/{LISTEN}"),
            wait=True,
            wait_timeout=60,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"url": self.url})
