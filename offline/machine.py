"""Facts of this clone on this machine: who it is, and the network and ports that are its own."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from offline.files import replace_text

ROOT = Path(__file__).resolve().parents[1]
SLOTS = 256
PORTS_PER_BASE = 16
EDGE_BASE, PROMETHEUS_BASE = 8443, 9090


class MachineError(Exception):
    """This clone's record of itself is missing or damaged, or no subnet and ports are free for it. One line."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One clone's own names, addresses and ports.

    A slot (0..255) decides the subnet and every port; the Docker network, which outlives `make down`,
    holds it. The emulator numbers its databases upwards from `rds_base_port` and `elasticache_base_port`,
    16 each.
    """

    clone: str
    account: str
    network: str
    subnet: str
    gateway: str
    emulator_port: int
    edge_port: int
    rds_base_port: int
    elasticache_base_port: int

    @property
    def emulator(self) -> str:
        """The emulator's one address: the same from the host, from containers and in presigned URLs."""
        return f"http://{self.gateway}:{self.emulator_port}"

    @property
    def nobody(self) -> str:
        """The address that is told to containers on `network` for a gateway, and that nobody has: what is not for
        another of them goes nowhere, this machine's other addresses included. On `gateway` itself the emulator is."""
        return self.address(254)

    @property
    def metrics_network(self) -> str:
        """The network of what measures. Docker publishes a port on the first of a container's networks by name, and
        Prometheus listens on this one."""
        return f"metrics-{self.network}"

    @property
    def metrics_subnet(self) -> str:
        """The metrics network's: of the same number in a pool of its own."""
        return str(_beside(self.subnet, 1))

    @property
    def outside_network(self) -> str:
        """The network by which the edge is reached from this machine, and by which others leave it where they must."""
        return f"outside-{self.network}"

    @property
    def outside_subnet(self) -> str:
        """The outside network's: of the same number in a pool of its own."""
        return str(_beside(self.subnet, 2))

    @property
    def prometheus_port(self) -> int:
        """Where Prometheus answers on 127.0.0.1."""
        return self.edge_port - EDGE_BASE + PROMETHEUS_BASE

    @property
    def label(self) -> str:
        """The Docker label that every container, volume and network of this clone carries."""
        return f"web-next.clone={self.clone}"

    def address(self, host: int) -> str:
        """The subnet's address number `host` (2..63 the program's, 64..127 the emulator's databases)."""
        return str(ipaddress.IPv4Network(self.subnet)[host])

    def metrics_address(self, host: int) -> str:
        """The metrics subnet's address number `host` (2..63 the program's)."""
        return str(ipaddress.IPv4Network(self.metrics_subnet)[host])

    def outside_address(self, host: int) -> str:
        """The outside subnet's address number `host` (2..63 the program's)."""
        return str(ipaddress.IPv4Network(self.outside_subnet)[host])

    @classmethod
    def allocate(
        cls,
        root: Path = ROOT,
        *,
        taken: Collection[ipaddress.IPv4Network] | None = None,
        port_is_free: Callable[[int], bool] | None = None,
    ) -> Machine:
        """Returns the first machine, from the slot of the path's hash on, whose subnet and ports are free.

        Raises MachineError when no slot is left.
        """
        digest = _digest(root)
        used = subnets_in_use() if taken is None else taken
        is_free = port_is_free or _port_is_free
        for step in range(SLOTS):
            slot = (int(digest[:8], 16) + step) % SLOTS
            subnet = ipaddress.IPv4Network(f"10.213.{slot}.0/24")
            ports = (4566 + slot, EDGE_BASE + slot, 20000 + PORTS_PER_BASE * slot, 25000 + PORTS_PER_BASE * slot)
            mine = (subnet, *(_beside(str(subnet), pool) for pool in (1, 2)))
            if any(one.overlaps(other) for one in mine for other in used) or not all(
                map(is_free, (*ports, PROMETHEUS_BASE + slot))
            ):
                continue
            return cls(
                clone=digest[:8],
                account=str(10**11 + int(digest[8:24], 16) % (9 * 10**11)),
                network=f"web-next-{digest[:8]}",
                subnet=str(subnet),
                gateway=str(subnet[1]),
                emulator_port=ports[0],
                edge_port=ports[1],
                rds_base_port=ports[2],
                elasticache_base_port=ports[3],
            )
        raise MachineError(
            "all 256 subnets 10.213.N.0/24, 10.214.N.0/24, 10.215.N.0/24 or their ports are in use; each clone needs "
            "its own: run `make clean` in clones you no longer need"
        )

    @classmethod
    def load(cls, root: Path = ROOT) -> Machine:
        """Returns the machine in `.local/machine.json`; MachineError if there is none or it is another's."""
        path = machine_file(root)
        try:
            values = json.loads(path.read_text())
            machine = cls(**{field.name: values[field.name] for field in fields(cls)})
        except FileNotFoundError:
            raise MachineError(f"{path} does not exist: run `make up`, which writes it") from None
        except (ValueError, KeyError, TypeError) as error:
            raise MachineError(
                f"{path} is damaged ({error!r}): restore it. "
                "Else remove it, run `make clean`, which removes this clone's data, and `make up`"
            ) from None
        if machine.clone != clone_id(root):
            raise MachineError(
                f"{path} belongs to clone {machine.clone}, this folder is clone {clone_id(root)}: "
                "the folder was moved or copied. Move it back, "
                "or remove .local and run `make up`, which begins without data"
            )
        return machine

    def save(self, root: Path = ROOT) -> None:
        """Writes `.local/machine.json` whole or not at all."""
        replace_text(machine_file(root), json.dumps(asdict(self), indent=2) + "\n")


def clone_id(root: Path = ROOT) -> str:
    """A clone's id: 8 hex digits of its real path's hash."""
    return _digest(root)[:8]


def machine_file(root: Path = ROOT) -> Path:
    """The file with a clone's subnet, ports and names."""
    return root / ".local" / "machine.json"


def require_usable(folder: Path) -> None:
    """Raises MachineError for a folder whose path ends early in PATH and in Docker's mounts, or is no line of text."""
    path = str(folder)
    wrong = next((each for each in path if each == ":" or not each.isprintable()), None)
    if wrong:
        raise MachineError(
            f"{path!a} has {wrong!a} in it: a folder in PATH and in Docker's mounts ends at a colon, and a path is one "
            "line of UTF-8; move it to another folder, or give that another name"
        )


def require_room(folder: Path) -> None:
    """Raises MachineError for a folder that takes no megabyte: what comes after would fail of it in several places."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(2**20))
            file.flush()
    except OSError as error:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        free = shutil.disk_usage(there).free // 2**20
        raise MachineError(
            f"nothing can be written into {folder} ({error.strerror}; {free} MiB are free there): make room, or let "
            "this user write there, and run it again"
        ) from None


def recorded_stacks(root: Path = ROOT) -> list[Path]:
    """The state files of the clone's stacks: while there are any, what they need must not be made anew."""
    return sorted((root / ".local" / "state" / ".pulumi" / "stacks").rglob("*.json"))


def cache_folder() -> Path:
    """The user's cache of downloads and builds, shared by all clones."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "web-next-cutover"


def subnets_in_use() -> list[ipaddress.IPv4Network]:
    """Returns the subnets of the machine's routes and Docker networks, running or not.

    Routes of /16 and wider (a VPN's 10.0.0.0/8) are left out: a bridge's own /24 takes precedence.
    """
    found = []
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        columns = line.split()
        destination, mask = (ipaddress.IPv4Address(struct.pack("<I", int(columns[i], 16))) for i in (1, 7))
        route = ipaddress.IPv4Network((str(destination), str(mask)))
        if route.prefixlen > 16:
            found.append(route)
    return found + _docker_subnets()


def _docker_subnets() -> list[ipaddress.IPv4Network]:
    def docker(*arguments: str) -> list[str]:
        done = subprocess.run(["docker", "network", *arguments], capture_output=True, text=True, check=False)
        return done.stdout.split()

    try:
        names = docker("ls", "--quiet")
        template = "{{range .IPAM.Config}}{{.Subnet}} {{end}}"
        subnets = docker("inspect", "--format", template, *names) if names else []
    except FileNotFoundError:
        return []
    return [ipaddress.IPv4Network(subnet) for subnet in subnets if ":" not in subnet]


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _beside(subnet: str, pool: int) -> ipaddress.IPv4Network:
    network = ipaddress.IPv4Network(subnet)
    return ipaddress.IPv4Network((int(network.network_address) + pool * 2**16, network.prefixlen))


def _digest(root: Path) -> str:
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()
