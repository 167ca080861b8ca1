"""What people get to see of a rollout: its page after each tick, and once it is over its pack."""

from __future__ import annotations

from dataclasses import dataclass

from cutover.errors import CutoverError
from cutover.evidence.bucket import RecordsBucket
from cutover.evidence.manifest import MANIFEST
from cutover.rollout.history import History, replace_file
from cutover.rollout.pack import PAGE, Document, RolloutPack
from cutover.rollout.page import page
from cutover.rollout.record import Record
from cutover.rollout.status import Status
from cutover.rollout.store import Copy

KEPT = "pack"
"""Beside the page: the rollout whose pack is in the bucket, and the pack's id."""


@dataclass(frozen=True)
class Report:
    """The report of one base stack, in the folder of its record's copy."""

    copy: Copy
    bucket: RecordsBucket

    def update(self, record: Record, status: Status) -> None:
        """Writes the page anew; of a rollout that is over and delivers nothing any more it keeps the pack, once.

        A bucket that does not answer is asked again the next time. Raises OSError when the folder cannot be written.
        """
        folder = self.copy.folder
        folder.mkdir(parents=True, exist_ok=True)
        history = History(folder)
        changes = history.changes(record, status.at, self.bucket)
        html = page(status, record, changes, history.samples(record.id))
        replace_file(folder / PAGE, html)
        if record.state.running or record.draining or self._kept() == record.id:
            return
        document = Document(status=status, record=record, changes=changes)
        pack = RolloutPack.of(document, history.lines(record.id), html)
        try:
            if self.bucket.get(f"{pack.key}/{MANIFEST}") is None:
                pack.keep(self.bucket)
        except CutoverError:
            return
        replace_file(folder / KEPT, f"{record.id} {pack.id}\n")

    def _kept(self) -> str | None:
        try:
            return (self.copy.folder / KEPT).read_text().split()[0]
        except (FileNotFoundError, IndexError):
            return None
