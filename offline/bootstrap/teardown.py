"""`down` and `clean`: what `make up` started is stopped, or forgotten, and nothing else's."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from offline.bootstrap import docker, python
from offline.bootstrap.console import Console
from offline.bootstrap.runner import StepError
from offline.bootstrap.services import ask, module
from offline.machine import ROOT, clone_id, machine_file


def down(console: Console) -> None:
    """Stops the emulator and this clone's containers; their data stays. StepError if one will not stop."""
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
    running = _objects("ps", "--quiet")
    _remove("stop", "--time", "10", names=running)
    console.line("down", "docker", f"{len(running)} containers stopped", time.monotonic() - started)
    if process := docker.started_engine():
        console.line("note", "docker", f"the engine that `make up` started (pid {process}) is left running")


def clean(console: Console) -> None:
    """Removes this clone's containers, volumes, network and state. StepError if Docker refuses one."""
    down(console)
    started = time.monotonic()
    containers = _objects("ps", "--all", "--quiet")
    volumes = _objects("volume", "ls", "--quiet")
    networks = _objects("network", "ls", "--quiet")
    _remove("rm", "--force", "--volumes", names=containers)
    _remove("volume", "rm", names=volumes)
    _remove("network", "rm", names=networks)
    counts = f"{len(containers)} containers, {len(volumes)} volumes, {len(networks)} networks"
    console.line("gone", "docker", counts, time.monotonic() - started)
    started = time.monotonic()
    forget(ROOT)
    console.line("gone", "files", ".local, .venv, Pulumi.local*.yaml", time.monotonic() - started)


def forget(root: Path) -> None:
    """Removes a clone's own files; the cache, which clones share, stays."""
    for path in (root / ".local", root / ".venv", *root.glob("Pulumi.local*.yaml")):
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir() and path.name == ".local":
            shutil.rmtree(path)


def _objects(*listing: str) -> list[str]:
    """Returns this clone's containers, volumes or networks; the id comes from the clone's path."""
    asked = docker.docker(*listing, "--filter", f"label=web-next.clone={clone_id(ROOT)}")
    if asked.returncode != 0:
        if not machine_file(ROOT).exists():
            return []
        raise StepError(
            "Docker does not answer, so this clone's containers cannot be found; "
            f"start Docker{'' if os.geteuid() == 0 else ' or join its group'} and run it again"
        )
    return asked.stdout.split()


def _remove(*command: str, names: list[str]) -> None:
    if not names:
        return
    asked = docker.docker(*command, *names)
    if asked.returncode != 0:
        said = asked.stderr.strip().splitlines() or ["no reason given"]
        raise StepError(f"`docker {' '.join(command)}` refused: {said[-1]}; end what still uses it and run it again")
