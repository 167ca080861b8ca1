"""The load: a container with a crowd of clients before the base's edge, and what each of their requests came to."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from rehearsal.operator import RehearsalError
from rehearsal.stage import Stage

SCRIPT = Path(__file__).with_name("crowd.py")
EDGE_PORT = 8443
"""nginx's in its container."""
AUDIT, ALERT = "/api/audit/push", "/api/alerts/webhook"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request of a client: when it was sent and answered, in Unix time, and what came.

    `status` is 0 where the client gave up or was cut off, `why` says which. `mock` is what the answer says of itself,
    `via` where a fallback kept an audit entry.
    """

    sent: float
    received: float
    client: str
    path: str
    trace: str
    status: int
    track: str | None = None
    mock: bool = False
    via: str | None = None
    why: str | None = None

    @property
    def limited(self) -> bool:
        """Whether the edge or the app refused it because there were too many: counted apart."""
        return self.status == 429

    @property
    def failed(self) -> bool:
        """Whether it got no answer, or a 5xx."""
        return self.status == 0 or self.status >= 500

    @property
    def accepted(self) -> bool:
        """Whether an audit entry or an alert was taken for good. A mock takes nothing; a fallback of the candidate,
        which has none, keeps what it takes."""
        kept = not self.mock or self.via not in (None, "mock") or (self.path == ALERT and self.track == "candidate")
        return self.path in (AUDIT, ALERT) and self.status in (200, 202) and kept


@dataclass
class Load:
    """What the clients got so far, in the order of the answers."""

    requests: list[Asked] = field(default_factory=list)

    def between(self, since: float, until: float) -> list[Asked]:
        """Those that were sent in a span of Unix time."""
        return [each for each in list(self.requests) if since <= each.sent < until]

    def line(self) -> str:
        """The sum so far, for people."""
        known = list(self.requests)
        tracks = Counter(each.track or "no answer" for each in known)
        shares = ", ".join(f"{tracks[name]} {name}" for name in sorted(tracks))
        return f"{len(known)} requests ({shares}), {sum(each.failed for each in known)} failed"


@contextmanager
def load(stage: Stage, *, rate: float, keep: Path) -> Iterator[Load]:
    """Has the crowd send `rate` requests a second while the block runs. Each answer is a line of the file `keep`.

    When the block ends, the crowd stops, and the last answers are waited for. Raises RehearsalError if the crowd ended
    otherwise, then or before.
    """
    machine = stage.machine
    seen = Load()
    said = keep.with_suffix(".err")
    with TemporaryDirectory(dir=keep.parent) as folder, said.open("w") as errors:
        files = {_readable(path, Path(folder)): f"/{path.name}" for path in (SCRIPT, stage.authority)}
        command = [
            *("docker", "run", "--rm", "--name", stage.crowd_name, "--label", machine.label),
            *("--network", machine.network, "--ip", stage.crowd),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *[part for path, inside in files.items() for part in ("--volume", f"{path.resolve()}:{inside}:ro")],
            *("--env", "PYTHONPATH=/opt/web-next", stage.images["web-next"], "python3", "/crowd.py"),
            *(f"https://{machine.address(stage.block)}:{EDGE_PORT}", "/ca.pem", str(rate), str(stage.patience)),
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        with process:
            assert process.stdout
            reader = threading.Thread(target=_read, args=(process.stdout, keep, seen.requests))
            reader.start()
            try:
                yield seen
            finally:
                subprocess.run(["docker", "stop", "--time", "20", stage.crowd_name], capture_output=True, check=False)
                reader.join()
                if code := process.wait():
                    last = (said.read_text().strip().splitlines() or ["it said nothing"])[-1]
                    raise RehearsalError(f"the crowd ended with {code}, so the load was not there: {last}; see {said}")


def _readable(path: Path, folder: Path) -> Path:
    """A copy in `folder` that the crowd may read, whatever the umask that the file was made under: it runs without root
    and without capabilities."""
    copy = folder / path.name
    shutil.copyfile(path, copy)
    copy.chmod(0o644)
    return copy


def _read(lines: IO[str], keep: Path, into: list[Asked]) -> None:
    with keep.open("a") as file:
        for line in lines:
            file.write(line)
            into.append(Asked(**json.loads(line)))
