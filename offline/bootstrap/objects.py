"""What a clone has on the Docker engine: its containers, volumes and networks, found by their label."""

from __future__ import annotations

import os
from pathlib import Path

from offline.bootstrap.docker import docker
from offline.bootstrap.runner import StepError
from offline.machine import ROOT, clone_id, machine_file


def running(root: Path = ROOT) -> list[str]:
    """Returns the ids of the clone's running containers; StepError if Docker does not answer."""
    return _found(root, "ps", "--quiet")


def stop(containers: list[str]) -> None:
    """Stops containers, ten seconds each at most. StepError if Docker refuses one."""
    _ask("stop", "--time", "10", names=containers)


def remove(root: Path = ROOT) -> str:
    """Removes all that the clone has, data included, and returns what it was.

    Returns an empty string if there was nothing. StepError if Docker refuses one or does not answer.
    """
    containers = _found(root, "ps", "--all", "--quiet")
    volumes = _found(root, "volume", "ls", "--quiet")
    networks = _found(root, "network", "ls", "--quiet")
    _ask("rm", "--force", "--volumes", names=containers)
    _ask("volume", "rm", names=volumes)
    _ask("network", "rm", names=networks)
    if not containers + volumes + networks:
        return ""
    return f"{len(containers)} containers, {len(volumes)} volumes, {len(networks)} networks"


def _found(root: Path, *listing: str) -> list[str]:
    """Returns the ids in a docker listing that carry this clone's label."""
    asked = docker(*listing, "--filter", f"label=web-next.clone={clone_id(root)}")
    if asked.returncode != 0:
        if not machine_file(root).exists():
            return []
        raise StepError(
            "Docker does not answer, so this clone's containers cannot be found; "
            f"start Docker{'' if os.geteuid() == 0 else ' or join its group'} and run it again"
        )
    return asked.stdout.split()


def _ask(*command: str, names: list[str]) -> None:
    if not names:
        return
    asked = docker(*command, *names)
    if asked.returncode != 0:
        said = asked.stderr.strip().splitlines() or ["no reason given"]
        raise StepError(f"`docker {' '.join(command)}` refused: {said[-1]}; end what still uses it and run it again")
