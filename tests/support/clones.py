"""Clones beside this one, each with a Docker network and an emulator of its own: for tests that break them."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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
    """Ends the clone's emulator and removes its containers, volumes, network and folder."""
    if machine_file(root).exists():
        Emulator(Machine.load(root), root).stop()
    objects.remove(root)
    shutil.rmtree(root)
