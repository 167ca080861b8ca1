"""Where the record is kept: the records bucket, and a copy on this machine for the case that it does not answer."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

from cutover.errors import CutoverError, UnreachableError
from cutover.evidence.bucket import ExistsError, RecordsBucket
from cutover.rollout.effects import ConflictError, Kept
from cutover.rollout.record import KEY, Record
from outputs.shape import OutputError

LOCAL = Path(".local/rollout")


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Raises UnreachableError where what is written in this machine's folder cannot be, on a full disk for one."""
    try:
        yield
    except OSError as error:
        raise UnreachableError(f"{folder} cannot be written ({error}): make room, or look whose it is") from None


def put(path: Path, text: str) -> None:
    """Writes a file in one step, and so that it outlives a crash of the machine: there is the old one or the new one,
    whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Has the folder's entries outlive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Copy:
    """The newest record of one base stack that this machine has seen."""

    stack: str
    root: Path = LOCAL

    @property
    def folder(self) -> Path:
        """Where all lies that this machine keeps of the stack's rollout."""
        return self.root / self.stack

    def found(self) -> Record | None:
        """The copy; None where there is none. Raises UnreachableError where there is one that cannot be read."""
        path = self.folder / KEY
        try:
            return Record.read(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UnreachableError(
                f"{path} is there and cannot be read ({error}): cutover tick -s {self.stack}, typed where Pulumi is, "
                "writes it anew"
            ) from None

    def read(self) -> Record | None:
        """The copy; None where there is none of this revision's form that can be read."""
        with suppress(UnreachableError):
            return self.found()
        return None

    def keep(self, record: Record) -> None:
        """Keeps the record, unless the copy is newer; with another rollout the samples of the last one go.

        Raises UnreachableError where the folder cannot be written.
        """
        there = self.read()
        if there and (there == record or older(record, there)):
            return
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            put(self.folder / KEY, record.text())
            if there and there.id != record.id:
                from cutover.gates.samples import SAMPLES  # of a rollback the seconds count

                (self.folder / SAMPLES).unlink(missing_ok=True)


def older(record: Record, than: Record) -> bool:
    """Whether a record was written before another of the same stack.

    Revisions go on from one rollout to the next, whatever the clocks of those who begin them say. They begin again only
    with the stack, and then the ids, which are times, tell.
    """
    return record.revision < than.revision and record.id <= than.id


@dataclass(frozen=True)
class Store:
    """The record in the records bucket, changed by conditional writes alone."""

    bucket: RecordsBucket = field(repr=False)

    def read(self) -> Kept | None:
        """The record; None before the first rollout. Raises UnreachableError, CutoverError for another's form."""
        found = self.bucket.read(KEY)
        if found is None:
            return None
        content, etag = found
        try:
            return Kept(Record.read(content), etag)
        except OutputError as error:
            raise CutoverError(f"{self.bucket.at(KEY)} {error}") from None
        except ValueError as error:
            raise CutoverError(f"{self.bucket.at(KEY)} is no rollout record ({error}): look who wrote it") from None

    def versions(self) -> list[tuple[datetime, Record]]:
        """Every version that is kept, and when it was written; one of another form is named and left out. Raises
        UnreachableError."""
        found, others = [], []
        for at, content in self.bucket.versions(KEY):
            try:
                found.append((at, Record.read(content)))
            except ValueError:
                others.append(at)
        if others:
            _name(
                f"older versions of {self.bucket.at(KEY)} are of another form and count as none: {len(others)}, the "
                f"newest of {max(others):%Y-%m-%d %H:%M} UTC"
            )
        return found

    def write(self, record: Record, after: str | None) -> None:
        """Writes the record. Raises ConflictError when the bucket has another than `after` by now, UnreachableError."""
        try:
            self.bucket.replace(KEY, record.text().encode(), after)
        except ExistsError:
            raise ConflictError(
                f"revision {record.revision} of rollout {record.id} was not written, somebody else's was first: look "
                f"at it, cutover status -s {record.stack}, and decide again"
            ) from None


@cache
def _name(said: str) -> None:
    """Says it once: each resource of an update asks."""
    print(f"  {said}", file=sys.stderr)
