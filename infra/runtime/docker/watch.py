"""Who watches a rollout on a machine: `cutover watch`, in a container that can lower the weight and little else."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from infra.naming import Names
from infra.nginx import FOLDER
from infra.runtime.docker.container import contained, listens
from infra.settings.keys import Settings
from infra.settings.sections import MachineSettings
from outputs import emulator

PROJECT = Path(__file__).parents[3]
CODE = ("cutover", "outputs", "templates")
"""The folders of the project that it runs."""
REPORTS = ".local/rollout"
"""The folder that it writes: the record's copy, the journal, the samples, the page."""
MEMORY_MIB = 96
MOUNTED = "EDGE_MOUNTED"
"""As `cutover.traffic` has it: the edge whose volume is at hand."""


@dataclass(frozen=True, kw_only=True)
class WatchArgs:
    """`name` is the container's, `stack` the base that it watches, `edge` the edge's container and its volume."""

    name: str
    stack: str
    edge: str
    machine: MachineSettings

    @classmethod
    def of(cls, settings: Settings, names: Names) -> WatchArgs:
        machine = settings.require_machine()
        return cls(
            name=f"{names.prefix}-watch-{machine.clone}",
            stack=names.stack,
            edge=f"{names.prefix}-edge-{machine.clone}",
            machine=machine,
        )


class Watch(pulumi.ComponentResource):
    """The container. It has the machine's Python and this clone's packages and code, all read-only, the volume of the
    edge, and the folder of reports. It has the key of the clone's emulator, which keeps the rollout's record, and no
    Docker socket, no Pulumi, and no secret of the stack. It runs as who has prepared the clone, whose files those are,
    and in root's group, which may change the weights that the edge's root has set.

    It is on the machine's own network: the rollout's record has the addresses as the machine has them. Every container
    of the machine gets to the address where it tells its metrics; it tells them to Prometheus alone.
    """

    container: docker.Container

    def __init__(self, name: str, args: WatchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Watch", name, None, opts)
        machine, environment = args.machine, Path(sys.prefix).resolve()
        address, port = machine.metrics_gateway, machine.prometheus_port
        authority = PROJECT / machine.authority
        user, group = owner()
        if not pulumi.runtime.is_dry_run():
            (PROJECT / REPORTS).mkdir(parents=True, exist_ok=True)  # the engine would make it root's
        self.container = contained(
            name,
            machine=machine,
            role="watch",
            opts=pulumi.ResourceOptions(parent=self),
            memory=MEMORY_MIB,
            health=listens(port, address),
            networks=None,
            marks={"code": code_digest()},
            name=args.name,
            image=machine.edge_image,
            command=[
                *(str(environment / "bin/python"), "-m", "cutover", "watch"),
                *("-s", args.stack, "--listen", f"{address}:{port}"),
                *("--asker", str(machine.prometheus_address)),
            ],
            user=f"{user}:{group}" if user else None,
            group_adds=["0"] if user else None,
            working_dir=str(PROJECT),
            envs=[f"{MOUNTED}={args.edge}", "PYTHONDONTWRITEBYTECODE=1", "AWS_EC2_METADATA_DISABLED=true"],
            volumes=[
                *(self._read(path) for path in (Path(sys.base_prefix), environment, authority, emulator.FILE)),
                *(self._read(PROJECT / folder) for folder in CODE),
                docker.ContainerVolumeArgs(host_path=str(PROJECT / REPORTS), container_path=str(PROJECT / REPORTS)),
                docker.ContainerVolumeArgs(volume_name=args.edge, container_path=FOLDER),
            ],
        )
        self.register_outputs({})

    def _read(self, path: Path) -> docker.ContainerVolumeArgs:
        return docker.ContainerVolumeArgs(host_path=str(path), container_path=str(path), read_only=True)


def owner() -> tuple[int, int]:
    """The ids of who has prepared the clone, and of their group."""
    made = (PROJECT / REPORTS).parent.stat()
    return made.st_uid, made.st_gid


def code_digest() -> str:
    """Of what the watch runs: a container keeps what it has imported."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in CODE for path in (PROJECT / folder).rglob("*") if path.suffix != ".pyc"):
        if path.is_file():
            digest.update(f"{path.relative_to(PROJECT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
