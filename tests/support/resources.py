"""What the processes of a running system hold: memory, descriptors and connections, looked at again and again."""

from __future__ import annotations

import re
import statistics
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from docker.models.containers import Container

from tests.support.system import System
from webnext.health import MEMORY_SHARE
from webnext.postgres import CONNECTIONS

PARTS = ("stable", "worker", "edge")
POOLS = 3
"""Of connections to Postgres: app, worker and executor have one each."""
GROWTH, SLACK_MIB, SLACK_FILES = 1.15, 8.0, 10.0
"""How much more than in the second quarter a part may hold in the last, by proportion and beside."""
MOST_DESCRIPTORS = 250
MIB = 2**20


def processes(container: Container) -> list[Path]:
    """What the kernel says of each of its processes."""
    return [Path("/proc") / line[1] for line in container.top()["Processes"]]


def resident(container: Container) -> float:
    """MiB that it has in memory; what several of its processes share counts once."""
    found = (re.search(r"^Pss:\s+(\d+) kB", (each / "smaps_rollup").read_text(), re.M) for each in processes(container))
    return sum(int(each[1]) for each in found if each) / 1024


def descriptors(container: Container) -> int:
    """Files and sockets that its processes have open."""
    return sum(len(list((each / "fd").iterdir())) for each in processes(container))


def limit(container: Container) -> float:
    """MiB that it may have."""
    return float(container.attrs["HostConfig"]["Memory"]) / MIB


@dataclass
class Held:
    """What was seen of one thing, in the order of the looks, and what it may be at most."""

    most: float
    seen: list[float] = field(default_factory=list)

    @property
    def quarters(self) -> tuple[float, float]:
        """The medians of the second quarter of all looks and of the last."""
        size = max(1, len(self.seen) // 4)
        return statistics.median(self.seen[size : 2 * size] or self.seen), statistics.median(self.seen[-size:])

    def line(self, name: str, unit: str) -> str:
        """For people."""
        second, last = self.quarters
        return (
            f"{name:<22} {min(self.seen):6.0f} to {max(self.seen):4.0f} {unit} of {self.most:.0f};"
            f" second quarter {second:.0f}, last {last:.0f}"
        )


@dataclass
class Resources:
    """Of a system, by part."""

    memory: dict[str, Held]
    files: dict[str, Held]
    connections: Held
    ended: list[str] = field(default_factory=list)
    """Parts that ended and were started again, which nobody asked for."""

    def problems(self) -> list[str]:
        """What went beyond its bound, has grown steadily or ended, a line each."""
        lines = [f"{name} ended by itself" for name in self.ended]
        for kind, parts, slack in (("MiB", self.memory, SLACK_MIB), ("descriptors", self.files, SLACK_FILES)):
            for name, held in parts.items():
                second, last = held.quarters
                if max(held.seen) > held.most:
                    lines.append(f"{name} had {max(held.seen):.0f} {kind}, {held.most:.0f} are allowed")
                if last > second * GROWTH + slack:
                    lines.append(f"{name} grew from {second:.0f} to {last:.0f} {kind}")
        if max(self.connections.seen) > self.connections.most:
            lines.append(f"Postgres had {max(self.connections.seen):.0f} sessions, {self.connections.most:.0f} allowed")
        return lines

    def table(self) -> Sequence[str]:
        """For people."""
        return [
            *(held.line(f"{name}, memory", "MiB") for name, held in self.memory.items()),
            *(held.line(f"{name}, descriptors", "   ") for name, held in self.files.items()),
            self.connections.line("postgres, sessions", "   "),
        ]


@contextmanager
def watched(system: System, seconds: float) -> Iterator[Resources]:
    """Looks every so many seconds while the block runs."""
    containers = {name: system.container(name) for name in PARTS}
    address = system.secret("AUDIT_DB_MASTER_URL")
    made = Resources(
        memory={name: Held(MEMORY_SHARE * limit(each)) for name, each in containers.items()},
        files={name: Held(MOST_DESCRIPTORS) for name in containers},
        connections=Held(CONNECTIONS * POOLS),
    )
    over = threading.Event()

    def look() -> None:
        for name, container in containers.items():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended, which is said in the end
                made.memory[name].seen.append(resident(container))
                made.files[name].seen.append(descriptors(container))
        with suppress(psycopg.OperationalError):  # a fault has taken the server away
            made.connections.seen.append(sessions(address))

    def looking() -> None:
        while not over.wait(seconds):
            look()

    look()
    thread = threading.Thread(target=looking)
    thread.start()
    try:
        yield made
    finally:
        over.set()
        thread.join()
        for name, container in containers.items():
            began = container.attrs["State"]["Pid"]
            container.reload()
            if container.attrs["State"]["Pid"] != began:
                made.ended.append(name)


def sessions(address: str) -> int:
    """How many the service has in Postgres."""
    with psycopg.connect(address, connect_timeout=2, autocommit=True) as master:
        found = master.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'web-next'").fetchone()
    return int(found[0]) if found else 0
