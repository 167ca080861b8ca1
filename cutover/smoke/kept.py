"""What is kept of a stack's newest run: its report after each check, and each request as it is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from cutover.smoke.probe import Sample
from cutover.smoke.report import Report

KEPT = Path(".local/smoke")


@dataclass(frozen=True)
class Kept:
    """The files of one stack's newest run."""

    folder: Path
    requests: IO[str]

    @classmethod
    @contextmanager
    def begin(cls, stack: str) -> Iterator[Self]:
        """Room for a new run, for the block: what was kept of the one before is gone."""
        folder = KEPT / stack
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("report.json", "report.txt"):
            (folder / name).unlink(missing_ok=True)
        with (folder / "samples.jsonl").open("w") as requests:
            yield cls(folder, requests)

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


@dataclass(frozen=True, kw_only=True)
class SavedReport:
    """The newest report of a stack, as it was printed."""

    table: str
    no_go: bool


def saved(stack: str, *, since: float) -> SavedReport | None:
    """The stack's report if it was kept after `since` (seconds of the epoch)."""
    document, text = KEPT / stack / "report.json", KEPT / stack / "report.txt"
    if not text.exists() or text.stat().st_mtime < since:
        return None
    verdict = json.loads(document.read_text())["decision"]["verdict"]
    return SavedReport(table=text.read_text().rstrip(), no_go=verdict == "NO-GO")
