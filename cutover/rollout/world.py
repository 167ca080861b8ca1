"""The world of a rollout as it is: the bucket, the split, flags, journal and channel of one base stack."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cutover.aws import HURRIED
from cutover.evidence.bucket import RecordsBucket
from cutover.rollout import effects
from cutover.rollout.flags import Flags
from cutover.rollout.journal import BucketJournal, Entry, Journal
from cutover.rollout.notice import tell
from cutover.rollout.pinned import Pinned
from cutover.rollout.record import Record, Targets
from cutover.rollout.store import Copy, Store
from cutover.rollout.tasks import keep_tasks
from cutover.traffic import traffic_split
from cutover.traffic.split import Mark, TrafficSplit


@dataclass(frozen=True)
class RealWorld:
    """Effects on the base stack `copy.stack`, at the places that its outputs or its newest record name. Its journal is
    beside the copy, unless another is given."""

    copy: Copy
    targets: Targets = field(repr=False)
    journal: BucketJournal | None = None

    def do(self, effect: effects.Effect) -> Any:
        """What the effect gives. Raises the CutoverError that it fails with; what answers does so within 3 s."""
        match effect:
            case effects.ReadRecord():
                return self._store.read()
            case effects.WriteRecord(record, after):
                return self._store.write(record, after)
            case effects.ReadCopy():
                return self.copy.read()
            case effects.KeepCopy(record):
                return self.copy.keep(record)
            case effects.ReadWeight():
                return self.split.get()
            case effects.ReadBeside():
                return self.split.beside()
            case effects.SetWeight(record):
                return self.split.set(record.weight, mark_of(record))
            case effects.TakeBack(record):
                return self.split.take_back(record.id if record else None)
            case effects.Answers(track):
                return Pinned(self.targets.edge, track).answers()
            case effects.WriteFlags(track, flags):
                return Flags.of(self.targets.places).write(getattr(self.targets.flags, track), flags)
            case effects.KeepTasks(record):
                return keep_tasks(record)
            case effects.Tell(record):
                return tell(record, self.split.by_hand())
            case effects.WriteDown(record, left):
                return self._journal.write(Entry(rollout=record.id, revision=record.revision, left=list(left)))
            case effects.ReadJournal():
                entry = self._journal.read()
                return tuple(entry.left) if entry else ()
            case effects.Accepted():
                return Pinned(self.targets.edge, "candidate").undelivered()

    @cached_property
    def split(self) -> TrafficSplit:
        return traffic_split(self.targets.traffic, self.copy.stack)

    @cached_property
    def _store(self) -> Store:
        return Store(RecordsBucket.of(self.targets.places, HURRIED))

    @cached_property
    def _journal(self) -> Journal | BucketJournal:
        return self.journal or Journal(self.copy.folder)


def mark_of(record: Record) -> Mark:
    """What the split is told of who sets it."""
    return Mark(rollout=record.id, revision=record.revision, final=not record.way_back)
