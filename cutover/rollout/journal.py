"""The journal: what a turn of the rollout could not reach, on this machine, for `tick` to go on with."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from outputs.shape import OutputError, Shape

FILE = "journal.json"


@dataclass(frozen=True, kw_only=True)
class Entry(Shape):
    """What revision `revision` of the rollout `rollout` has left undone, by name: record, flags TRACK, tasks,
    notice.

    Revisions go on from one rollout of a stack to the next.
    """

    rollout: str
    revision: int
    left: list[str]

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """Raises ValueError when the text is none of this revision's form."""
        return cls.from_output(json.loads(text))


@dataclass(frozen=True)
class Journal:
    """The journal in the folder that is one stack's: the newest entry alone, and no file where nothing is left."""

    folder: Path

    def read(self) -> Entry | None:
        """What is left; None where nothing is, or what is there cannot be read."""
        with contextlib.suppress(FileNotFoundError, ValueError, OutputError):
            return Entry.read((self.folder / FILE).read_bytes())
        return None

    def write(self, entry: Entry) -> None:
        """Writes the entry down so that it outlives a crash of the machine; an entry without anything left removes the
        file. A newer one that is there stays, whatever an older turn has left or done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder) as folder:
            there = self.read()
            if there and there.revision > entry.revision:
                return
            if not entry.left:
                (self.folder / FILE).unlink(missing_ok=True)
            else:
                draft = self.folder / f".{FILE}"
                with draft.open("w") as file:
                    file.write(json.dumps(entry.output(), indent=2) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(self.folder / FILE)
            os.fsync(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """The folder as a descriptor, which no other process has locked meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
