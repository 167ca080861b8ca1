"""`down` and `clean`: what `make up` started is stopped, or forgotten, and nothing else's."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from offline.bootstrap import docker, objects, python, updates
from offline.bootstrap.console import Console
from offline.bootstrap.runner import StepError
from offline.bootstrap.services import ask, module
from offline.machine import ROOT, machine_file


def down(console: Console) -> None:
    """Stops the emulator and this clone's containers; their data stays. StepError if one will not stop, and while an
    update goes on."""
    updates.require_none(ROOT)
    if ended := updates.end_left(ROOT):
        console.line("down", "plugins", f"{ended} ended, of an update that was killed")
    if named := docker.elsewhere():
        raise StepError(named)
    if docker.engine_version() is None:
        console.line("note", "docker", "the engine does not answer, so nothing of this clone runs")
        return
    started = time.monotonic()
    if machine_file(ROOT).exists() and python.VENV_PYTHON.exists():
        asked = ask(*module("offline.emulator", "stop"))
        if asked.returncode != 0:
            said = (asked.stderr or asked.stdout).strip().splitlines() or ["it printed nothing"]
            raise StepError(f"the emulator does not stop: {said[-1]}; see .local/emulator, then run it again")
        console.line("down", "emulator", "stopped", time.monotonic() - started)
    started = time.monotonic()
    running = objects.running()
    objects.stop(running)
    console.line("down", "docker", f"{len(running)} containers stopped", time.monotonic() - started)
    if process := docker.started_engine():
        left = "the engine that `make up` started is left running, for all clones"
        console.line("note", "docker", f"{left}; `kill {process}`, as root, stops it")


def clean(console: Console) -> None:
    """Removes this clone's containers, volumes, network and state. StepError if Docker refuses one."""
    down(console)
    started = time.monotonic()
    counts = objects.remove() or "nothing of this clone"
    console.line("gone", "docker", counts, time.monotonic() - started)
    started = time.monotonic()
    forget(ROOT)
    console.line(
        "gone", "files", ".local, .venv, Pulumi.local*.yaml, Pulumi.rehearsal*.yaml", time.monotonic() - started
    )


def forget(root: Path) -> None:
    """Removes a clone's own files; the cache, which clones share, stays."""
    made = [path for stack in ("local", "rehearsal") for path in root.glob(f"Pulumi.{stack}*.yaml")]
    for path in (root / ".local", root / ".venv", *made):
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir() and path.name == ".local":
            shutil.rmtree(path)
