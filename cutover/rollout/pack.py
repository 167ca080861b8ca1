"""A rollout's own evidence: its record, every change, every sample and its page, in files whose hashes are in a
manifest."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from cutover.errors import PackError
from cutover.evidence.bucket import RecordsBucket
from cutover.evidence.manifest import MANIFEST, manifest, require_hashes
from cutover.gates.samples import SAMPLES
from cutover.rollout.history import Change
from cutover.rollout.record import Record
from cutover.rollout.status import Status
from outputs.shape import Shape

DOCUMENT, PAGE = "rollout.json", "index.html"


@dataclass(frozen=True, kw_only=True)
class Document(Shape):
    """How a rollout ended, and each change on its way. The record names the candidate's pack, and who signed it."""

    schema: Literal[1] = 1
    status: Status
    record: Record
    changes: Sequence[Change]


@dataclass(frozen=True)
class RolloutPack:
    """The files by name, the manifest last: without it there is no pack."""

    document: Document
    files: Mapping[str, bytes]

    @classmethod
    def of(cls, document: Document, samples: Iterable[str], page: str) -> Self:
        """The pack of a rollout that is over; `samples` are the lines as they were written, a tenth as long here."""
        text = json.dumps(document.output(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        files = {DOCUMENT: text.encode(), f"{SAMPLES}.gz": _compressed(samples), PAGE: page.encode()}
        return cls(document, {**files, MANIFEST: manifest(files).encode()})

    @classmethod
    def verified(cls, files: Mapping[str, bytes], pack_id: str | None = None) -> Self:
        """The pack that files make, each hash computed again. Raises PackError that names what does not hold."""
        require_hashes(files, pack_id)
        try:
            return cls(Document.from_output(json.loads(files[DOCUMENT])), files)
        except ValueError as error:
            raise PackError(f"{DOCUMENT}: {error}") from None

    @property
    def id(self) -> str:
        """The SHA-256 of the manifest, and so of everything in it."""
        return hashlib.sha256(self.files[MANIFEST]).hexdigest()

    @property
    def key(self) -> str:
        """Where it lies in the records bucket."""
        return f"rollouts/{self.document.record.id}"

    def keep(self, bucket: RecordsBucket) -> None:
        """Writes it into the bucket, once. Raises what the bucket does."""
        bucket.put_files(self.key, self.files)


def _compressed(lines: Iterable[str]) -> bytes:
    """Lines by gzip, the same bytes for the same lines."""
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", mtime=0) as file:
        for line in lines:
            file.write(line.encode())
    return made.getvalue()
