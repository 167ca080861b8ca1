"""Where the record is kept: the records bucket, and a copy on this machine for the case that it does not answer."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from cutover.errors import CutoverError
from cutover.evidence.bucket import ExistsError, RecordsBucket
from cutover.rollout.effects import ConflictError, Kept
from cutover.rollout.record import KEY, Record
from outputs.shape import OutputError

LOCAL = Path(".local/rollout")


@dataclass(frozen=True)
class Copy:
    """The newest record of one base stack that this machine has seen."""

    stack: str
    root: Path = LOCAL

    @property
    def folder(self) -> Path:
        """Where all lies that this machine keeps of the stack's rollout."""
        return self.root / self.stack

    def read(self) -> Record | None:
        """The copy; None where there is none of this revision's form."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return Record.read((self.folder / KEY).read_bytes())
        return None

    def keep(self, record: Record) -> None:
        """Keeps the record, unless the copy is of a newer rollout or revision."""
        there = self.read()
        if there and (there.id, there.revision) > (record.id, record.revision):
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f".{KEY}.{os.getpid()}"
        draft.write_text(record.text())
        draft.replace(self.folder / KEY)


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

    def write(self, record: Record, after: str | None) -> None:
        """Writes the record. Raises ConflictError when the bucket has another than `after` by now, UnreachableError."""
        try:
            self.bucket.replace(KEY, record.text().encode(), after)
        except ExistsError:
            raise ConflictError(
                f"revision {record.revision} of rollout {record.id} was not written, somebody else's was first: look "
                f"at it, cutover status -s {record.stack}, and decide again"
            ) from None
