"""What must be true in each state that a rollout's controllers can come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cutover.errors import CutoverError, RefusedError, UnreachableError
from cutover.rollout import effects
from cutover.rollout.effects import Effect
from cutover.rollout.record import Record, State
from cutover.rollout.status import Routes, Status
from tests.support.rollout_model import NONE, Model, World

ALL_ELSE: tuple[type[Effect], ...] = (
    effects.ReadRecord,
    effects.ReadWeight,
    effects.KeepCopy,
    effects.WriteDown,
    effects.WriteFlags,
    effects.KeepTasks,
    effects.Tell,
)
"""What a rollback does beside setting the traffic: it may all fail. Who cannot read the record writes none."""


TROUBLES: Mapping[tuple[type[Effect], ...], str] = {
    (): "",
    (effects.ReadWeight,): " while what routes cannot be read",
    ALL_ELSE: " while all else fails",
}


class BrokenError(AssertionError):
    """An invariant does not hold; the message has the way there."""


class Ended(Protocol):
    """How a verb has ended."""

    @property
    def error(self) -> CutoverError | None: ...


class Alone(Protocol):
    """Runs a verb alone and without a fault: the world afterwards, and how it ended."""

    def __call__(self, world: World, verb: str, at: int = 0, turn: int = 0) -> tuple[World, Ended]: ...


@dataclass
class Invariants:
    """The invariants; `met` counts how often each thing happened that one is about."""

    model: Model
    met: Counter[str]
    alone: Alone
    _held: set[tuple[int, frozenset[int], bool]] = field(default_factory=set)
    _settled: set[tuple[World, int]] = field(default_factory=set)
    _taken_back: set[tuple[World, int]] = field(default_factory=set)

    def hold(self, number: int, world: World, machines: frozenset[int], idle: bool) -> None:
        """Hold them in a world, known by its number, before controllers on machines; `idle` when no verb is on. Raises
        BrokenError."""
        if (number, machines, idle) in self._held:
            return
        self._held.add((number, machines, idle))
        record = self.model.record(world.bucket)
        if record and record.weight != world.weight:
            self.met["the record says another weight than what routes"] += 1
        if record and record.state is State.ROLLED_BACK and record.id not in world.latched:
            raise BrokenError(f"the record says what is not so at the edge: {self.said(world)}")
        if idle and not world.disturbed:
            self._hold_agreeing(world, "without any fault")
            if record and record.state is State.ROLLED_BACK and record.last.verb == "tick":
                raise BrokenError(f"a rollback is written down as nobody's: {self.said(world)}")
        for machine in machines:
            alone = _at_rest(world, machine)
            if (alone, machine) not in self._taken_back:
                self._taken_back.add((alone, machine))
                self._hold_way_back(alone, machine)
                if record:
                    self._hold_status(alone, record, machine)
            if idle and not world.late and (alone, machine) not in self._settled:
                self._settled.add((alone, machine))
                self._hold_settling(alone, machine)

    def _hold_way_back(self, world: World, machine: int) -> None:
        """Rollback is possible, whatever fails beside the traffic, or refused for what the record or what routes
        says."""
        record, copy = self.model.record(world.bucket), self.model.record(world.copies[machine])
        for failing, trouble in TROUBLES.items():
            away = effects.ReadRecord in failing
            after, place = self.alone(world._replace(failing=failing), "rollback", machine, 90)
            one_way = record is not None and record.state.running and record.releases.one_way and world.weight > 0
            if place.error is None:
                if one_way:
                    raise BrokenError(f"a rollback on {machine}{trouble} to what is not survived: {self.said(world)}")
                self.met[f"a rollback was possible{trouble}"] += 1
                if after.weight or (self._running(after) and not away):
                    raise BrokenError(f"a rollback on {machine}{trouble} leaves {self.said(after)}")
                continue
            known = copy if away else record or copy
            unread = effects.ReadWeight in failing and any(each and each.releases.one_way for each in (record, copy))
            final = known is None or not known.way_back or (world.mark is not None and world.mark.final)
            named = (RefusedError, UnreachableError) if away else RefusedError
            self.met["a rollback was refused by name"] += 1
            if not ((final or one_way or unread) and isinstance(place.error, named)):
                raise BrokenError(f"a rollback on {machine}{trouble} fails with {place.error!r}: {self.said(world)}")

    def _hold_settling(self, world: World, machine: int) -> None:
        """After two ticks with everything reachable, record, weight and flags agree, and somebody delivers."""
        for turn in (91, 92):
            before = world
            world, place = self.alone(world, "tick", machine, turn)
            if place.error:
                raise BrokenError(f"tick on {machine} fails with {place.error!r}: {self.said(world)}")
            if world.weight > before.weight:
                raise BrokenError(f"tick raises the weight from {before.weight}: {self.said(world)}")
            record = self.model.record(world.bucket)
            if record and world.weight > record.weight:
                raise BrokenError(f"after one tick the weight is above the record's: {self.said(world)}")
            self.met["a tick lowered the weight"] += world.weight < before.weight
            self.met["a tick wrote a rollback down"] += self._running(before) and not self._running(world)
            self.met["a tick ended the draining"] += self._draining(before) and not self._draining(world)
            self.met["a tick mended flags"] += world.flags != before.flags
            self.met["a tick mended who keeps tasks"] += world.kept != before.kept
        self._hold_agreeing(world, "after two ticks")
        record = self.model.record(world.bucket)
        if record and record.state.running:
            self._hold_resuming(world, record, machine)

    def _hold_agreeing(self, world: World, when: str) -> None:
        """Record, weight, flags and tasks agree, and somebody delivers. The weight may be lower: who was to raise it
        died."""
        record = self.model.record(world.bucket)
        if record and world.weight > record.weight:
            raise BrokenError(f"{when} the weight is above the record's: {self.said(world)}")
        if record and world.flags != tuple(self.model.flag(record.flags(track)) for track in ("candidate", "stable")):
            raise BrokenError(f"{when} the flags are not the record's: {self.said(world)}")
        if record and world.kept is not record.keeps_tasks:
            raise BrokenError(f"{when} tasks are kept or let go otherwise than the record says: {self.said(world)}")
        if world.accepted and not self.model.delivers(world):
            raise BrokenError(f"{when} nobody delivers what was accepted: {self.said(world)}")

    def _hold_status(self, world: World, record: Record, machine: int) -> None:
        """Status tells what routes, and what it says to type does what it says."""
        routes = Routes.of_share(self.model.share(world), ())
        status = Status.of(record, routes, record.since)
        if status.routes.weight != world.weight:
            raise BrokenError(f"status says {status.routes}: {self.said(world)}")
        if world.weight == record.weight:
            return
        self.met["status told another weight than the record's"] += 1
        verb = next((each for each in ("resume", "tick") if f"cutover {each}" in status.why), "tick")
        after, place = self.alone(world, verb, machine, 94)
        now = self.model.record(after.bucket)
        if place.error or now is None or after.weight != now.weight:
            raise BrokenError(f"status says {status.why!r}, and {verb} leaves {self.said(after)}")

    def _hold_resuming(self, world: World, record: Record, machine: int) -> None:
        """A running rollout goes on: resume gives it the weight that its record says."""
        after, place = self.alone(world, "resume", machine, 93)
        self.met["resume put the weight in force again"] += after.weight > world.weight
        if place.error or after.weight != record.weight:
            raise BrokenError(f"resume ends with {place.error!r} and {self.said(after)}")

    def _running(self, world: World) -> bool:
        record = self.model.record(world.bucket)
        return record is not None and record.state.running

    def _draining(self, world: World) -> bool:
        record = self.model.record(world.bucket)
        return record is not None and record.draining

    def said(self, world: World) -> str:
        record = self.model.record(world.bucket)
        flags = [self.model.flags[each].parameter() for each in world.flags]
        return f"{record.state if record else 'no record'} at {world.weight} %, flags {flags}, {world}"


def _at_rest(world: World, machine: int) -> World:
    """What a verb that runs alone on a machine can tell of a world, without trouble: not what lies on others, nor what
    may land."""
    return world._replace(
        copies=tuple(each if at == machine else NONE for at, each in enumerate(world.copies)),
        journals=tuple(each if at == machine else () for at, each in enumerate(world.journals)),
        late=frozenset(),
        faults=0,
        deaths=0,
        outages=0,
        away=False,
        disturbed=False,
    )
