"""A command in a container, through Docker's socket, that ends in time whatever the container or Docker do.

Docker's own SDK waits for the output of a command without a limit.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

SOCKET = "/var/run/docker.sock"
SECONDS = 3.0


class EngineError(Exception):
    """Docker or the container did not do it; `status` is the API's, None where Docker did not answer."""

    def __init__(self, said: str, status: int | None = None) -> None:
        super().__init__(said)
        self.status = status


@dataclass(frozen=True)
class Done:
    """How the command ended, and what it wrote to both of its outputs."""

    code: int
    said: str


class _Socket(HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)
        self._kept = self.sock  # of an answer that ends with the connection http.client forgets it

    def hang_up(self) -> None:
        """Ends whatever is waited for, now."""
        with contextlib.suppress(AttributeError, OSError):  # not connected yet, or not any more
            self._kept.shutdown(socket.SHUT_RDWR)


def run(container: str, *command: str) -> Done:
    """Runs a command as root in a container that runs. Raises EngineError, within SECONDS; then the command may run
    all the same, now or later."""
    until = time.monotonic() + SECONDS
    wanted = {"Cmd": command, "User": "root", "AttachStdout": True, "AttachStderr": True}
    exec_id = json.loads(_ask("POST", f"/containers/{container}/exec", until, wanted))["Id"]
    frames = _ask("POST", f"/exec/{exec_id}/start", until, {})
    said = b""
    while frames:  # each with a header of 8 bytes: which output, and in the last 4 its length
        end = 8 + int.from_bytes(frames[4:8])
        said, frames = said + frames[8:end], frames[end:]
    while (state := json.loads(_ask("GET", f"/exec/{exec_id}/json", until)))["Running"]:
        time.sleep(0.01)  # its outputs have ended, and Docker does not know yet how it has
    return Done(int(state["ExitCode"]), said.decode(errors="replace").strip())


def _ask(method: str, path: str, until: float, body: dict[str, Any] | None = None) -> bytes:
    left, late = max(until - time.monotonic(), 0.001), EngineError(f"nothing came within {SECONDS:g} s")
    connection = _Socket("docker", timeout=left)
    # A time-out is of each wait alone: who answers byte by byte is hung up on.
    end = threading.Timer(left, connection.hang_up)
    end.start()
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        with connection.getresponse() as answer:
            content = answer.read()
    except TimeoutError:
        raise late from None
    except (OSError, HTTPException) as error:
        raise late if time.monotonic() >= until else EngineError(str(error) or type(error).__name__) from None
    finally:
        end.cancel()
        connection.close()
    if time.monotonic() >= until:  # what came is what had come when it was hung up on
        raise late
    if answer.status >= 400:
        raise EngineError(json.loads(content).get("message", answer.reason), answer.status)
    return content
