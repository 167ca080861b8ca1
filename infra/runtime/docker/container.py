"""A container that can do nothing but its own work: how every process of a docker stack is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_docker as docker

from infra.runtime.docker.healthy import Healthy
from infra.runtime.docker.labels import labels
from infra.runtime.docker.pids import Pids
from infra.settings.sections import MachineSettings

LOOK_SECONDS = 30
"""Between two looks of Docker's at a container's health: one costs some 80 ms of a core, and for a start nobody waits
for it (`Healthy`)."""
NO_NAMES = ["127.0.0.1"]
"""Whom Docker asks for a name that is no container's: the container itself, where nobody answers. It would ask this
machine's resolver, and a name that is asked for is a way out."""


def contained(
    resource: str,
    *,
    machine: MachineSettings,
    role: str,
    opts: pulumi.ResourceOptions,
    memory: int,
    health: Sequence[str],
    networks: pulumi.Input[Mapping[str, str | None]] | None,
    capabilities: Sequence[str] = (),
    marks: Mapping[str, pulumi.Input[str]] | None = None,
    tmpfs: int = 16,
    **own: Any,
) -> docker.Container:
    """Declares a container on `networks`, each with its address there or any, or without one on the machine's own. What
    needs it waits until its `health` command succeeds.

    Its root is read-only but for `tmpfs` MiB of /tmp, it gains no privileges and has only these `capabilities`; it has
    `pids.MOST` processes at most, and `memory` MiB. On several networks it passes nothing on, and on the clone's alone
    it asks nobody for names but Docker. `role` and `marks` are labels; `own` is the container's own.
    """
    made = docker.Container(
        resource,
        **_placed(machine, networks),
        labels=labels(docker.ContainerLabelArgs, machine, role=role, **(marks or {})),
        read_only=True,
        tmpfs={"/tmp": f"size={tmpfs}m,mode=1777"},  # noqa: S108 - the container's own, gone with it
        capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=list(capabilities) or None),
        security_opts=["no-new-privileges:true"],
        memory=memory,
        log_driver="json-file",
        log_opts={"max-size": "10m", "max-file": "3"},
        restart="unless-stopped",
        healthcheck=docker.ContainerHealthcheckArgs(
            tests=["CMD", *health], interval=f"{LOOK_SECONDS}s", timeout="2s", retries=2, start_period="20s"
        ),
        opts=opts,
        **own,
    )
    Pids(resource, made.id, pulumi.ResourceOptions(parent=opts.parent))
    Healthy(resource, made.id, made.name, health, pulumi.ResourceOptions(parent=opts.parent))
    return made


def _placed(machine: MachineSettings, networks: pulumi.Input[Mapping[str, str | None]] | None) -> dict[str, Any]:
    if networks is None:
        return {"network_mode": "host"}
    joined = pulumi.Output.from_input(networks)
    return {
        "networks_advanced": joined.apply(
            lambda known: [
                docker.ContainerNetworksAdvancedArgs(name=name, ipv4_address=own) for name, own in known.items()
            ]
        ),
        "dns": joined.apply(lambda known: NO_NAMES if [*known] == [machine.network] else []),
        "sysctls": {"net.ipv4.ip_forward": "0"},
    }


def listens(port: int, address: str = "127.0.0.1") -> list[str]:
    """The health command of an image with bash: something listens on the port of the container's own address."""
    return ["bash", "-c", f"</dev/tcp/{address}/{port}"]
