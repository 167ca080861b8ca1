"""Clones beside this one, each with a Docker network and an emulator of its own: for tests that break them."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from offline.bootstrap import objects
from offline.bootstrap.console import Console
from offline.bootstrap.network import Network
from offline.bootstrap.runner import Job
from offline.bootstrap.tls import Tls
from offline.emulator.launcher import Emulator
from offline.machine import ROOT, Machine, machine_file
from tests.support.containers import OWNER

FOLDER = ROOT / ".local" / "test"
"""Where they are, so that `python -m tests.support.left` finds what a killed run left."""


@contextmanager
def clone() -> Iterator[Emulator]:
    """A running emulator; its root is a new folder. Nothing of the clone is left at the end, whatever happens."""
    root = FOLDER / secrets.token_hex(4)
    root.mkdir(parents=True)
    OWNER.write(root / "owner")
    try:
        Network(root).act(Job("network", root / "network.log", Console()))
        Tls(root).act(Job("tls", root / "tls.log", Console()))
        emulator = Emulator(Machine.load(root), root)
        emulator.start()
        yield emulator
    finally:
        remove(root)


def remove(root: Path) -> None:
    """Ends the clone's processes and removes its containers, volumes, network and folder."""
    if machine_file(root).exists():
        Emulator(Machine.load(root), root).stop()
    for pid in processes(root):
        os.kill(pid, signal.SIGKILL)
    objects.remove(root)
    shutil.rmtree(root)


def processes(root: Path) -> Iterator[int]:
    """What runs out of the clone's folder: a provider goes on when the update that started it is killed."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{root}/".encode() in (process / "cmdline").read_bytes():
                yield int(process.name)
