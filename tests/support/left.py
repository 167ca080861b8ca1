"""`python -m tests.support.left`: removes what test runs of this clone left that were killed."""

from __future__ import annotations

from offline.emulator.process import Process
from offline.machine import clone_id
from tests.support import clones
from tests.support.containers import docker

LABELS = '{{.Label "web-next.test"}}'
KINDS = {
    "container": (("ps", "--all", "--format", f"{{{{.Names}}}} {LABELS}"), ("rm", "--force", "--volumes")),
    "volume": (("volume", "ls", "--format", f"{{{{.Name}}}} {LABELS}"), ("volume", "rm")),
    "network": (("network", "ls", "--format", f"{{{{.Name}}}} {LABELS}"), ("network", "rm")),
}


def remove() -> None:
    """Removes clones, containers, volumes and networks of processes that have ended, and says so."""
    for root in clones.FOLDER.glob("*"):
        owner = Process.read(root / "owner")
        if not owner or not owner.alive():
            print(f"removes clone {root.name}, which a test run left")
            clones.remove(root)
    for kind, (listing, removing) in KINDS.items():
        for line in docker(*listing, "--filter", "label=web-next.test").splitlines():
            name, clone, pid, started = (*line.split(), "", "", "")[:4]
            if clone == clone_id() and not Process(int(pid), started).alive():
                print(f"removes {kind} {name}, which a test run left")
                docker(*removing, name)


if __name__ == "__main__":
    remove()
