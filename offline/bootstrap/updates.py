"""Updates of this clone's stacks: the one that goes on, and what one that was killed has left."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from offline.bootstrap.runner import StepError
from offline.machine import ROOT

PLUGINS = ("pulumi.dynamic", "offline.standins")
"""The modules that Pulumi runs as providers."""


def require_none(root: Path = ROOT) -> None:
    """Raises StepError while an update of one of the clone's stacks goes on: it would make anew what is taken away."""
    for file in (root / ".local" / "state" / ".pulumi" / "locks").rglob("*.json"):
        with suppress(OSError, ValueError, KeyError):  # released just now, or torn: cutover up says so
            lock = json.loads(file.read_text())
            pid, where, since = lock["pid"], lock["hostname"], lock["timestamp"][:19]
            if where != socket.gethostname() or _name(pid) != "pulumi":
                continue
            stops = _parent(pid) if _parent(pid) > 1 else pid
            raise StepError(
                f"stack {file.parent.name} is being changed by process {pid} of {lock['username']} on {where} since "
                f"{since}: let it end, or stop it by Ctrl-C or kill -INT {stops}, and run this again"
            )


def end_left(root: Path = ROOT) -> int:
    """Ends the clone's providers whose Pulumi is gone, and returns how many there were."""
    left = list(_left(root))
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(left)


def _left(root: Path) -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if words[0] != f"{root}/.venv/bin/python" or not set(PLUGINS).intersection(words):
                continue
            pid = int(process.name)
            if "pulumi" not in map(_name, _ancestors(pid)):
                yield pid


def _ancestors(pid: int) -> Iterator[int]:
    while (pid := _parent(pid)) > 1:
        yield pid


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _parent(pid: int) -> int:
    """Its parent's id; 0 of one that is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
