"""What has happened in a rollout: every revision of its record, and what was counted at each tick."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from cutover.errors import CutoverError
from cutover.evidence.bucket import RecordsBucket
from cutover.gates.counts import Counts
from cutover.gates.samples import SAMPLES
from cutover.rollout.record import Record, State
from cutover.rollout.store import Store
from outputs.shape import Shape

MOST = 720
"""Samples that a page takes: more than a screen shows, of a watch of 24 hours with 8,640."""
CHANGES = "changes.jsonl"
"""In the folder of the stack's rollout on this machine, a JSON object a line, as the samples are."""


@dataclass(frozen=True, kw_only=True)
class Change(Shape):
    """A revision of the rollout `id`, written `at` a time: what it says, and by whom, by which verb and why."""

    id: str
    at: datetime
    revision: int
    state: State
    weight: int
    hold: str | None = None
    by: str
    verb: str
    why: str | None = None
    gate: str | None = None

    @classmethod
    def of(cls, record: Record, at: datetime) -> Self:
        """The change that a record was."""
        last = record.last
        return cls(
            id=record.id,
            at=at,
            revision=record.revision,
            state=record.state,
            weight=record.weight,
            hold=record.hold,
            by=last.by,
            verb=last.verb,
            why=last.why,
            gate=last.gate,
        )


@dataclass(frozen=True)
class History:
    """The history of one base stack's newest rollout, in a folder of this machine."""

    folder: Path

    def changes(self, record: Record, at: datetime, bucket: RecordsBucket | None = None) -> list[Change]:
        """The changes up to a record, oldest first.

        Those of the bucket, which has all of them, once a revision; while it does not answer, those that are known and
        the record's own, as of `at`.
        """
        known = [change for change in self._read_changes() if change.id == record.id]
        if known and known[-1].revision >= record.revision:
            return known
        try:
            found = kept_changes(bucket, record.id) if bucket else []
        except CutoverError:
            found = []
        made = found if found and found[-1].revision >= record.revision else [*known, Change.of(record, at)]
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(self.folder / CHANGES, "".join(_line(change) for change in made))
        return made

    def samples(self, rollout: str, most: int = MOST) -> list[Counts]:
        """What was counted in a rollout, spread evenly over its samples where there are more than `most`, the last
        among them; a line that was cut off is left out."""
        count = sum(1 for _ in self.lines(rollout))
        every = max(-(-count // most), 1)
        found = []
        for number, line in enumerate(self.lines(rollout), start=1):
            if (count - number) % every == 0:
                with suppress(ValueError):
                    found.append(Counts.from_output(json.loads(line)))
        return found

    def lines(self, rollout: str) -> Iterator[str]:
        """The samples of a rollout as they were written, a line each; there may be 20 MB of them."""
        mark = f'"rollout": {json.dumps(rollout)}'
        with suppress(FileNotFoundError), (self.folder / SAMPLES).open() as lines:
            yield from (line for line in lines if mark in line)

    def _read_changes(self) -> list[Change]:
        try:
            return [Change.from_output(json.loads(line)) for line in (self.folder / CHANGES).read_text().splitlines()]
        except (FileNotFoundError, ValueError):
            return []


def kept_changes(bucket: RecordsBucket, rollout: str) -> list[Change]:
    """Every revision of a rollout that the bucket keeps, oldest first. Raises what the bucket does."""
    changes = [Change.of(record, at) for at, record in Store(bucket).versions() if record.id == rollout]
    return sorted(changes, key=lambda change: change.revision)


def replace_file(path: Path, text: str) -> None:
    """Writes a file in one step: whoever reads it has the old one or the new one, whole."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text)
    draft.replace(path)


def _line(shape: Shape) -> str:
    return json.dumps(shape.output(), sort_keys=True, ensure_ascii=False) + "\n"
