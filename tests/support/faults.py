"""Containers of a system, and its emulator, that hang, die and come back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from docker.models.containers import Container

from offline.emulator.launcher import Emulator
from offline.emulator.process import Process


@contextmanager
def paused(container: Container) -> Iterator[None]:
    """It hangs: connections stay, nothing answers. By signals, because a freezer refuses a busy container."""
    processes = [int(line[1]) for line in container.top()["Processes"]]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in reversed(processes):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)


@contextmanager
def stopped(container: Container) -> Iterator[None]:
    """It is killed and away for the block."""
    container.kill()
    try:
        yield
    finally:
        container.start()


def kill(container: Container) -> None:
    """Kills its process as a crash does, so that Docker's restart policy brings it back."""
    container.reload()
    os.kill(container.attrs["State"]["Pid"], signal.SIGKILL)


def process_of(emulator: Emulator) -> Process:
    """S3, Secrets Manager and SSM of a clone are one process."""
    running = Process.read(emulator.folder / "pid")
    assert running
    assert running.alive()
    return running


@contextmanager
def hanging(emulator: Emulator) -> Iterator[None]:
    """It hangs for the block: connections stay, nothing answers."""
    process = process_of(emulator)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)
