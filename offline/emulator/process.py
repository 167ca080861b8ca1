"""A background process that is known by its id and its start, so that a recycled id is never signalled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from offline.files import replace_text

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Process:
    """One process; `started` names the boot and the tick since it, `version` what it was started from."""

    pid: int
    started: str
    version: str = ""

    @classmethod
    def spawn(cls, command: Sequence[str], environment: Mapping[str, str], log: Path, version: str = "") -> Process:
        """Starts a command in a session of its own, its output appended to the log."""
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                env=dict(environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child.returncode = 0  # it outlives this object on purpose
        return cls(child.pid, start_of(child.pid) or "", version)

    @classmethod
    def read(cls, file: Path) -> Process | None:
        """Returns the process recorded in a file, None if there is no readable record."""
        try:
            record = json.loads(file.read_text())
            return cls(int(record["pid"]), str(record["started"]), str(record.get("version", "")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, file: Path) -> None:
        """Records the process in a file, whole or not at all."""
        replace_text(file, json.dumps(asdict(self)) + "\n")

    def alive(self) -> bool:
        """True while this very process runs; one that only waits to be collected doesn't."""
        return self.started != "" and start_of(self.pid) == self.started

    def end(self, seconds: float) -> bool:
        """Asks the process to end, and kills it after `seconds`; returns whether it ended by itself."""
        for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
            if self.alive():
                os.kill(self.pid, number)
            if self._gone(patience):
                return number == signal.SIGTERM
        return False

    def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True


def start_of(pid: int) -> str | None:
    """Returns when a process began, None if there is none or it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"
