"""Who holds a stack's lock in a backend of files: an update that runs, or one that was killed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from cutover.errors import StackLockedError


def is_stale(stack: str) -> bool:
    """Whether the stack is locked by a process of this machine that is gone.

    Raises StackLockedError when the holder is alive, or on another machine. Locks of other backends are Pulumi's.
    """
    backend = urlsplit(os.environ["PULUMI_BACKEND_URL"])
    if backend.scheme != "file":
        return False
    locks = Path(backend.path) / ".pulumi" / "locks" / "organization" / "web-next" / stack
    held = []
    for path in locks.glob("*.json"):
        with contextlib.suppress(FileNotFoundError):  # released just now
            held.append(json.loads(path.read_text()))
    for lock in held:
        here = lock["hostname"] == socket.gethostname()
        if not here or _is_pulumi(lock["pid"]):
            raise StackLockedError(
                f"stack {stack} is being changed by process {lock['pid']} of {lock['username']} on "
                f"{lock['hostname']} since {lock['timestamp'][:19]}: let it end, or stop it and run "
                f"pulumi cancel -s {stack}"
            )
    return bool(held)


def _is_pulumi(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi"
    except FileNotFoundError:
        return False
