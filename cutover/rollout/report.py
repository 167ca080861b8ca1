"""What people get to see of a rollout: its page after each tick, and once it is over its pack."""

from __future__ import annotations

import hashlib
import json
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
"""Beside the page: the rollout whose pack is in the bucket, the pack's id, and the hash of what the page says since."""


@dataclass(frozen=True)
class Report:
    """The report of one base stack, in the folder of its record's copy."""

    copy: Copy
    bucket: RecordsBucket

    def update(self, record: Record, status: Status) -> None:
        """Writes the page anew; of a rollout that is over and delivers nothing any more it keeps the pack, once, and
        then the page stays until something but the time has changed: all samples were read for it each time.

        A bucket that does not answer is asked again the next time. Raises OSError when the folder cannot be written.
        """
        folder = self.copy.folder
        over = not record.state.running and not record.draining
        kept, told = self._kept(), _told(status)
        has_pack = over and kept[:1] == [record.id]
        if has_pack and kept[2:] == [told]:
            return
        folder.mkdir(parents=True, exist_ok=True)
        history = History(folder)
        changes = history.changes(record, status.at, self.bucket)
        html = page(status, record, changes, history.samples(record.id))
        replace_file(folder / PAGE, html)
        if not over:
            return
        document = Document(status=status, record=record, changes=changes)
        pack_id = kept[1] if has_pack else self._keep(RolloutPack.of(document, history.lines(record.id), html))
        if pack_id:
            replace_file(folder / KEPT, f"{record.id} {pack_id} {told}\n")

    def _keep(self, pack: RolloutPack) -> str | None:
        """The id of the pack, kept unless it is; None where the bucket does not answer."""
        try:
            if self.bucket.get(f"{pack.key}/{MANIFEST}") is None:
                pack.keep(self.bucket)
        except CutoverError:
            return None
        return pack.id

    def _kept(self) -> list[str]:
        try:
            return (self.copy.folder / KEPT).read_text().split()
        except FileNotFoundError:
            return []


def _told(status: Status) -> str:
    """The hash of a status but for the time at which somebody looked."""
    return hashlib.sha256(json.dumps({**status.output(), "at": None}, sort_keys=True).encode()).hexdigest()
