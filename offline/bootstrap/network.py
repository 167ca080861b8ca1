"""A clone's place on the machine: its addresses and ports, and the Docker networks that hold them."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

from offline.bootstrap import objects
from offline.bootstrap.artifact import locked
from offline.bootstrap.docker import docker
from offline.bootstrap.runner import Job, State, Step, StepError
from offline.machine import ROOT, Machine, cache_folder, machine_file, recorded_stacks

NOBODY = "DefaultGatewayIPv4"
"""By which Docker's bridge knows the gateway that containers are told, where it is not the bridge itself. Of an
internal network, too, Docker before 27 tells them the bridge, and by that they reach all addresses of this machine."""


class Network(Step):
    """This clone's place on the machine (`.local/machine.json`) and its Docker networks: one for all that runs, which
    nothing leaves, one for what measures it, and one by which the edge is reached.

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
        missing = _missing(machine)
        if missing:
            return State(False, f"{', '.join(missing)} is not there")
        return State(True, _made(machine))

    def act(self, job: Job) -> str:
        removed = ""
        with locked(cache_folder() / "machines.lock", job):
            if machine_file(self._root).exists():
                machine = Machine.load(self._root)
            else:
                removed = self._remove_leftovers(job)
                machine = Machine.allocate(self._root)
                machine.save(self._root)
            for name, stale in _missing(machine).items():
                if stale:
                    job.run("docker", "network", "rm", name)
                subnet = _networks(machine)[name]
                closed = ("--internal", "--aux-address", f"{NOBODY}={machine.nobody}")
                job.run(
                    "docker", "network", "create",
                    "--subnet", str(subnet),
                    "--gateway", str(subnet[1]),
                    "--ip-range", f"{subnet[128]}/25",
                    *(closed if name == machine.network else ()),
                    "--opt", "com.docker.network.bridge.host_binding_ipv4=127.0.0.1",
                    "--label", machine.label,
                    name,
                )  # fmt: skip
        made = _made(machine)
        return f"{made}; removed what an earlier clone at this path left: {removed}" if removed else made

    def _remove_leftovers(self, job: Job) -> str:
        if recorded := recorded_stacks(self._root):
            raise StepError(
                f"{machine_file(self._root)} is not there, yet {recorded[0].name} records a stack: "
                "restore it. Else run `make clean`, which removes the stack's data, and `make up`"
            )
        job.phase = "removes what an earlier clone at this path left"
        return objects.remove(self._root)


def _networks(machine: Machine) -> dict[str, IPv4Network]:
    return {
        machine.network: IPv4Network(machine.subnet),
        machine.metrics_network: IPv4Network(machine.metrics_subnet),
        machine.outside_network: IPv4Network(machine.outside_subnet),
    }


def _made(machine: Machine) -> str:
    return f"{machine.network} {machine.subnet}, metrics {machine.metrics_subnet}, outside {machine.outside_subnet}"


def _missing(machine: Machine) -> dict[str, bool]:
    """The networks that are to be made, and whether one that lets its containers out is there in the place.

    Raises StepError for one with another subnet, and for one that lets its containers out while some run on it.
    """
    missing = {}
    for name, subnet in _networks(machine).items():
        asked = docker("network", "inspect", name)
        if asked.returncode != 0:
            missing[name] = False
            continue
        network = json.loads(asked.stdout)[0]
        found = [entry.get("Subnet") for entry in network["IPAM"]["Config"]]
        if found != [str(subnet)]:
            raise StepError(
                f"network {name} has {found}, machine.json says {subnet}; "
                "restore machine.json. Else run `make clean`, which removes this clone's data, and `make up`"
            )
        told = network["IPAM"]["Config"][0].get("AuxiliaryAddresses") or {}
        if name == machine.network and not (network["Internal"] and told.get(NOBODY) == machine.nobody):
            if network["Containers"]:
                raise StepError(
                    f"network {name} lets its {len(network['Containers'])} containers out, as it was made before; "
                    "run `make down` and `make up`, which makes it anew: the data stay"
                )
            missing[name] = True
    return missing
