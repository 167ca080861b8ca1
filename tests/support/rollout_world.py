"""A world of a rollout in memory: it does as it is told, and parts of it can be away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from cutover.errors import CutoverError, RefusedError, TrafficError, UnreachableError
from cutover.rollout import effects
from cutover.rollout.effects import ConflictError, Effect, Kept
from cutover.rollout.phases import FlagValues
from cutover.rollout.record import Record, State
from cutover.traffic.split import Share
from outputs.release import Adapter, Track
from tests.support.rollouts import RECORD

AT = datetime(2026, 11, 29, 5, 0, tzinfo=UTC)
MOCK: Mapping[str, Adapter] = dict.fromkeys(("audit", "evidence", "queue", "guardrails"), "mock")


def record(state: State = State.PREPARED, **other: Any) -> Record:
    """A rollout of 1.5.1 over an all-mock 1.5.0, in a state since `AT`."""
    stable = replace(RECORD.releases.stable, adapters=MOCK)
    made = replace(RECORD, revision=3, state=state, since=AT, releases=replace(RECORD.releases, stable=stable))
    return replace(made, **other)


@dataclass
class MemoryWorld:
    """`away` are kinds of effects that nobody answers, `unreadable` says that what the bucket has is no record;
    `meanwhile` is called before each effect."""

    written: Record | None = None
    copy: Record | None = None
    weight: int = 0
    latched: set[str] = field(default_factory=set)
    beside: tuple[str, ...] = ()
    flags: dict[Track, FlagValues] = field(default_factory=dict)
    kept: bool = False
    journal: tuple[str, ...] = ()
    told: list[State] = field(default_factory=list)
    answering: set[Track] = field(default_factory=lambda: {"stable", "candidate"})
    accepted: int = 0
    away: tuple[type[Effect], ...] = ()
    unreadable: bool = False
    meanwhile: Callable[[Effect], object] = lambda _effect: None

    def do(self, effect: Effect) -> Any:
        self.meanwhile(effect)
        if isinstance(effect, self.away):
            raise self._unreached(effect)
        if self.unreadable and isinstance(effect, effects.ReadRecord):
            raise CutoverError("rollout.json is no rollout record")
        match effect:
            case effects.ReadRecord():
                return Kept(self.written, str(self.written.revision)) if self.written else None
            case effects.WriteRecord(record, after):
                if (str(self.written.revision) if self.written else None) != after:
                    raise ConflictError("somebody else's was first")
                self.written = record
            case effects.ReadCopy():
                return self.copy
            case effects.KeepCopy(record):
                self.copy = record
            case effects.ReadWeight():
                return Share(weight=self.weight, taken_back=frozenset(self.latched))
            case effects.ReadBeside():
                return self.beside
            case effects.SetWeight(record):
                if record.id in self.latched and record.weight:
                    raise RefusedError("it was taken back")
                self.weight = record.weight
            case effects.TakeBack(record):
                if record:
                    self.latched.add(record.id)
                self.weight = 0
            case effects.Answers(track):
                return track in self.answering
            case effects.WriteFlags(track, flags):
                self.flags[track] = flags
            case effects.KeepTasks(record):
                self.kept = record.keeps_tasks
            case effects.Tell(record):
                self.told.append(record.state)
            case effects.WriteDown(_, left):
                self.journal = left
            case effects.ReadJournal():
                return self.journal
            case effects.Accepted():
                return self.accepted
        return None

    @staticmethod
    def _unreached(effect: Effect) -> CutoverError:
        traffic = (effects.ReadWeight, effects.ReadBeside, effects.SetWeight, effects.TakeBack)
        return TrafficError("the edge is away") if isinstance(effect, traffic) else UnreachableError("it is away")
