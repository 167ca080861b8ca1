"""The journal: what a turn of the rollout could not reach, for `tick` to go on with; on this machine, or in the bucket
for ticks that have none."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cutover.errors import CutoverError
from cutover.evidence.bucket import ExistsError, RecordsBucket
from cutover.rollout.store import put, sync, writing
from outputs.shape import OutputError, Shape

FILE = "journal.json"


@dataclass(frozen=True, kw_only=True)
class Entry(Shape):
    """What revision `revision` of the rollout `rollout` has left undone, by name: record, weight,
    flags TRACK, tasks, notice.

    Revisions go on from one rollout of a stack to the next.
    """

    rollout: str
    revision: int
    left: list[str]

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """Raises ValueError when the text is none of this revision's form."""
        return cls.from_output(json.loads(text))

    def text(self) -> str:
        """What `read` reads."""
        return json.dumps(self.output(), indent=2) + "\n"


@dataclass(frozen=True)
class Journal:
    """The journal in the folder that is one stack's: the newest entry alone, and no file where nothing is left."""

    folder: Path

    def read(self) -> Entry | None:
        """What is left; None where nothing is, or what is there cannot be read."""
        with contextlib.suppress(OSError, ValueError, OutputError):
            return Entry.read((self.folder / FILE).read_bytes())
        return None

    def write(self, entry: Entry) -> None:
        """Writes the entry down so that it outlives a crash of the machine; an entry without anything left removes the
        file. A newer one that is there stays, whatever an older turn has left or done.

        Raises UnreachableError where the folder cannot be written.
        """
        with writing(self.folder), _locked(self.folder):
            there = self.read()
            if there and there.revision > entry.revision:
                return
            if entry.left:
                put(self.folder / FILE, entry.text())
            else:
                (self.folder / FILE).unlink(missing_ok=True)
                sync(self.folder)


@dataclass(frozen=True)
class BucketJournal:
    """The journal in the records bucket: an entry without anything left stays, as nobody deletes there."""

    bucket: RecordsBucket = field(repr=False)

    def read(self) -> Entry | None:
        """What is left; None where nothing is, or what is there cannot be read."""
        with contextlib.suppress(CutoverError):
            return self._found()[0]
        return None

    def write(self, entry: Entry) -> None:
        """As `Journal.write`. Each version is kept for months: what is there already is not written. Raises what the
        bucket does."""
        while True:
            there, etag = self._found()
            if there == entry or (there and there.revision > entry.revision):
                return
            with contextlib.suppress(ExistsError):  # another tick's was first
                self.bucket.replace(FILE, entry.text().encode(), etag)
                return

    def _found(self) -> tuple[Entry | None, str | None]:
        found = self.bucket.read(FILE)
        if found is None:
            return None, None
        with contextlib.suppress(ValueError, OutputError):
            return Entry.read(found[0]), found[1]
        return None, found[1]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder, made where it is missing, and locked by no other process meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
