"""Artifacts that clones share: built by one at a time, complete or built again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from offline.bootstrap.runner import Job

MARKER = ".complete"
LOCK_POLL_SECONDS = 0.2


def pin(parts: Iterable[str | Path]) -> str:
    """Returns 12 hex digits that change with any text or file content given."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part.encode()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


def is_complete(folder: Path) -> bool:
    """True once a build of the folder has come to its end."""
    return (folder / MARKER).is_file()


def build(folder: Path, job: Job, make: Callable[[Path], None]) -> None:
    """Has `make` fill the folder unless it is complete; what an interrupted build left is removed first.

    The folder is built in its final place, because virtual environments cannot be moved; the marker is
    written last, and nobody uses a folder without it.
    """
    with locked(folder.with_name(f"{folder.name}.lock"), job) as lock:
        if is_complete(folder):
            return
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        job.locks.append(lock)
        try:
            make(folder)
        finally:
            job.locks.remove(lock)
        os.sync()  # else the marker may outlive a killed machine, and what was built not
        (folder / MARKER).touch()


@contextmanager
def locked(path: Path, job: Job) -> Iterator[int]:
    """Holds a lock between processes and gives its descriptor; the kernel frees it when its holders die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        phase = job.phase
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                job.phase = "waiting for another build of it"
                job.breathe()
                time.sleep(LOCK_POLL_SECONDS)
        job.phase = phase
        yield handle
    finally:
        os.close(handle)
