"""What Pulumi's file backend and its CLI leave and say, made up."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from pulumi import automation as auto


def lock(backend: Path, pid: int, hostname: str | None = None, stack: str = "local", name: str = "one") -> None:
    """Writes a lock as Pulumi's file backend does."""
    folder = backend / ".pulumi" / "locks" / "organization" / "web-next" / stack
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "pid": pid,
        "username": "ada",
        "hostname": hostname or socket.gethostname(),
        "timestamp": "2025-06-01T12:00:00.123456789Z",
    }
    (folder / f"{name}.json").write_text(json.dumps(content))


def failed(text: str) -> auto.errors.CommandError:
    return auto.errors.CommandError(auto._cmd.CommandResult(stdout="", stderr=text, code=255))
