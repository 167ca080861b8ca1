"""A container that can do nothing but its own work: how every process of a docker stack is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_docker as docker

from infra.runtime.docker.labels import labels
from infra.settings.sections import MachineSettings

LOOK, LOOK_AWAITED = 5, 2
"""Seconds between two looks at a container's health, and at one that others wait for: a look costs Docker some 65 ms of
a core."""


def contained(
    resource: str,
    *,
    machine: MachineSettings,
    role: str,
    opts: pulumi.ResourceOptions,
    memory: int,
    health: Sequence[str],
    address: pulumi.Input[str] | None = None,
    networks: Mapping[str, pulumi.Input[str] | None] | None = None,
    capabilities: Sequence[str] = (),
    marks: Mapping[str, pulumi.Input[str]] | None = None,
    tmpfs: int = 16,
    on_machine: bool = False,
    look: int = LOOK,
    **own: Any,
) -> docker.Container:
    """Declares a container on the clone's network, which counts as created when its `health` command succeeds.
    Docker runs that every `look` seconds, and first after as many.

    Its root is read-only but for `tmpfs` MiB of /tmp, it gains no privileges and has only these `capabilities`;
    `memory` is in MiB. Without an `address` it gets any. `networks`, each with its address, are instead of
    the clone's; `on_machine` it has the machine's own and no other. `role` and `marks` are labels; `own` is the
    container's own.
    """
    joined = [
        docker.ContainerNetworksAdvancedArgs(name=network, ipv4_address=own_address)
        for network, own_address in (networks or {machine.network: address}).items()
    ]
    return docker.Container(
        resource,
        networks_advanced=None if on_machine else joined,
        network_mode="host" if on_machine else None,
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
            tests=["CMD", *health], interval=f"{look}s", timeout="2s", retries=3, start_period="20s"
        ),
        wait=True,
        wait_timeout=60,
        opts=opts,
        **own,
    )


def listens(port: int, address: str = "127.0.0.1") -> list[str]:
    """The health command of an image with bash: something listens on the port of the container's own address."""
    return ["bash", "-c", f"</dev/tcp/{address}/{port}"]
