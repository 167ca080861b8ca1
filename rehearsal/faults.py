"""Faults of a container that begin and end with a block."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNAL = "import os, signal, sys; os.kill(-1, getattr(signal, sys.argv[1]))"
"""All processes of the container but its first and this one."""


@contextmanager
def hung(container: str) -> Iterator[None]:
    """Its processes are stopped, as by SIGSTOP: connections stay, nothing answers."""
    _signal(container, "SIGSTOP")
    try:
        yield
    finally:
        _signal(container, "SIGCONT")


def _signal(container: str, name: str) -> None:
    # From inside: it takes no rights over another user's processes, and a freezer refuses a busy container.
    command = ["docker", "exec", container, "python3", "-ISc", _SIGNAL, name]
    subprocess.run(command, check=True, capture_output=True)
