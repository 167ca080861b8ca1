"""What is kept of a stack's newest run: its report after each check, and each request as it is answered."""

from __future__ import annotations

import fcntl
import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from cutover.errors import StackLockedError
from cutover.smoke.probe import Sample
from cutover.smoke.report import Report

KEPT = Path(".local/smoke")


@dataclass(frozen=True)
class Kept:
    """The files of one stack's newest run."""

    folder: Path
    requests: IO[str]
    since: float
    """Seconds since the last request of the run before, of any stack; infinite without one."""

    @classmethod
    @contextmanager
    def begin(cls, stack: str) -> Iterator[Self]:
        """Room for a new run, for the block: what was kept of the one before is gone.

        Raises StackLockedError while another run has it: two would fill one limit, and each other's report.
        """
        folder = KEPT / stack
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StackLockedError(f"a smoke run of {stack} goes on in this folder: let it end") from None
            yield from cls._begun(folder)

    @classmethod
    def _begun(cls, folder: Path) -> Iterator[Self]:
        samples = folder / "samples.jsonl"
        newest = max((file.stat().st_mtime for file in KEPT.glob("*/samples.jsonl")), default=-math.inf)
        since = time.time() - newest
        for name in ("report.json", "report.txt", "pack.txt"):
            (folder / name).unlink(missing_ok=True)
        with samples.open("w") as requests:
            yield cls(folder, requests, max(0.0, since))

    def sample(self, sample: Sample) -> None:
        """Keeps a request; it outlives whatever kills this process."""
        self.requests.write(json.dumps(sample.output()) + "\n")
        self.requests.flush()

    def report(self, report: Report) -> None:
        """Keeps the report as it is now, whole or not at all."""
        for name, text in (("report.json", report.text()), ("report.txt", report.table() + "\n")):
            new = self.folder / f".{name}"
            new.write_text(text)
            new.replace(self.folder / name)


def note_pack(stack: str, line: str) -> None:
    """Keeps where the pack of the stack's newest run lies."""
    (KEPT / stack / "pack.txt").write_text(line + "\n")


@dataclass(frozen=True, kw_only=True)
class SavedReport:
    """The newest report of a stack as it was printed, what was smoked, and where its pack lies if the run was whole."""

    table: str
    no_go: bool
    target: Mapping[str, Any]
    pack: str | None

    @property
    def url(self) -> str:
        """The address of its edge."""
        return str(self.target["edge"]["url"])


def saved(stack: str, *, since: float) -> SavedReport | None:
    """The stack's report if it was kept after `since` (seconds of the epoch)."""
    document, text = KEPT / stack / "report.json", KEPT / stack / "report.txt"
    if not text.exists() or text.stat().st_mtime < since:
        return None
    kept = json.loads(document.read_text())
    pack = KEPT / stack / "pack.txt"
    return SavedReport(
        table=text.read_text().rstrip(),
        no_go=kept["decision"]["verdict"] == "NO-GO",
        target=kept["target"],
        pack=pack.read_text().rstrip() if pack.exists() else None,
    )
