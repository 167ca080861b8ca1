"""A clone's place on the machine: its addresses and ports, and the Docker network that holds them."""

from __future__ import annotations

import json
from pathlib import Path

from offline.bootstrap import objects
from offline.bootstrap.artifact import locked
from offline.bootstrap.docker import docker
from offline.bootstrap.runner import Job, State, Step, StepError
from offline.machine import ROOT, Machine, cache_folder, machine_file


class Network(Step):
    """This clone's place on the machine (`.local/machine.json`) and its Docker network.

    A folder that was removed without `make clean` leaves containers, volumes and the network behind, under the
    id that a new clone at the same path has too. The keys to their data went with the folder, so they are
    removed; not so where stacks are still recorded: that is refused.
    """

    name = "network"
    needs = ("docker",)

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root

    def check(self) -> State:
        if not machine_file(self._root).exists():
            return State(False, "not allocated")
        machine = Machine.load(self._root)
        asked = docker("network", "inspect", machine.network)
        if asked.returncode != 0:
            return State(False, f"{machine.network} is not there")
        found = [entry.get("Subnet") for entry in json.loads(asked.stdout)[0]["IPAM"]["Config"]]
        if found != [machine.subnet]:
            raise StepError(
                f"network {machine.network} has {found}, machine.json says {machine.subnet}; "
                "restore machine.json. Else run `make clean`, which removes this clone's data, and `make up`"
            )
        return State(True, f"{machine.network} {machine.subnet}")

    def act(self, job: Job) -> str:
        removed = ""
        with locked(cache_folder() / "machines.lock", job):
            if machine_file(self._root).exists():
                machine = Machine.load(self._root)
            else:
                removed = self._remove_leftovers(job)
                machine = Machine.allocate(self._root)
                machine.save(self._root)
            job.run(
                "docker", "network", "create",
                "--subnet", machine.subnet,
                "--gateway", machine.gateway,
                "--ip-range", machine.address(128) + "/25",
                "--opt", "com.docker.network.bridge.host_binding_ipv4=127.0.0.1",
                "--label", machine.label,
                machine.network,
            )  # fmt: skip
        made = f"{machine.network} {machine.subnet}"
        return f"{made}; removed what an earlier clone at this path left: {removed}" if removed else made

    def _remove_leftovers(self, job: Job) -> str:
        if recorded := sorted((self._root / ".local" / "state" / ".pulumi" / "stacks").rglob("*.json")):
            raise StepError(
                f"{machine_file(self._root)} is not there, yet {recorded[0].name} records a stack: "
                "restore it. Else run `make clean`, which removes the stack's data, and `make up`"
            )
        job.phase = "removes what an earlier clone at this path left"
        return objects.remove(self._root)
