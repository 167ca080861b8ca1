"""Tries every interleaving of controllers over a model world, to a bound, and holds what must be true in each state."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from cutover.errors import CutoverError
from cutover.rollout import effects
from cutover.rollout.effects import ConflictError, Effect, Steps
from cutover.rollout.record import State
from tests.support.rollout_invariants import BrokenError, Invariants
from tests.support.rollout_model import CONFLICT, BaseUp, Model, Went, World, verbs

T = TypeVar("T")
Verb = Callable[[int, bool], Steps[Any]]
RAISING = ("canary", "staged", "production", "finish", "resume")
QUIET = (effects.ReadCopy, effects.KeepCopy, effects.ReadJournal, effects.WriteDown, effects.Answers)
"""What nobody else sees, where each controller has a machine of its own: it is done at once, and not interleaved."""


class Controller(NamedTuple):
    """A controller on a machine that may begin `left` verbs more. While one is on, the answers that its steps were
    given say where it is; `half` is how far an effect has got that is several calls."""

    machine: int
    left: int
    verb: str = ""
    turn: int = 0
    real: bool = False
    answers: tuple[tuple[Any, ...], ...] = ()
    half: int = 0


class Place(NamedTuple):
    """Where steps are: the effect that is next, or how they have ended; which records they wrote, and where they were
    too late."""

    effect: Effect | BaseUp | None
    result: Any
    error: CutoverError | None
    wrote: frozenset[int]
    late: bool


class System(NamedTuple):
    """One state: the world and the controllers, by their numbers, and how many verbs were begun."""

    world: int
    controllers: tuple[int, ...]
    turns: int = 1


@dataclass
class Numbered(Generic[T]):
    """Values, each known by one number: few worlds make many states, and numbers are compared at no cost."""

    values: list[T] = field(default_factory=list)
    _numbers: dict[T, int] = field(default_factory=dict)

    def number(self, value: T) -> int:
        """The value's number: the next, if it is new."""
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


@dataclass
class Explorer:
    """Explores. `seen` counts the states, `met` in how many ways each thing happened that an invariant is about: what
    one controller does in a world is the same whatever the others are about, and is looked at once."""

    model: Model
    verbs: Mapping[str, Verb] = field(default_factory=verbs)
    seen: int = 0
    met: Counter[str] = field(default_factory=Counter)
    _worlds: Numbered[World] = field(default_factory=Numbered)
    _controllers: Numbered[Controller] = field(default_factory=Numbered)
    _places: dict[Any, Place] = field(default_factory=dict)
    _quiet: dict[int, bool] = field(default_factory=dict)
    _outcomes: dict[tuple[int, int], list[tuple[str, int, int]]] = field(default_factory=dict)
    _events: dict[int, list[tuple[str, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._invariants = Invariants(self.model, self.met, self.alone)

    def alone(
        self, world: World, verb: str, at: int = 0, turn: int = 0, *, until: type | None = None, strict: bool = False
    ) -> tuple[World, Place]:
        """The world after one controller has run a verb alone and without a fault, to its end or `until` an effect.
        When `strict`, somebody delivers in every moment of it."""
        controller = Controller(at, 0, verb, turn, world.real)
        world = world._replace(faults=0)
        while True:
            place = self._place(controller)
            if place.effect is None or (until and isinstance(place.effect, until)):
                return world, place
            went = next(self.model.do(place.effect, world, at, controller.half))
            world, controller = _accepting(went.world), _answered(controller, went)
            if strict and world.accepted and not self.model.delivers(world):
                raise BrokenError(
                    f"{verb} leaves accepted alerts to nobody at {place.effect}: {self._invariants.said(world)}"
                )

    def explore(self, start: World, machines: tuple[int, ...], each: int = 1, allowed: tuple[str, ...] = ()) -> None:
        """Every state that controllers on these machines, each with `each` verbs, can come to. Raises BrokenError."""
        collects = gc.isenabled()
        gc.disable()  # a hundred thousand small tuples, of which none is garbage before the end
        try:
            self._explore(start, machines, each, allowed)
        finally:
            if collects:
                gc.enable()

    def _explore(self, start: World, machines: tuple[int, ...], each: int, allowed: tuple[str, ...]) -> None:
        number = self._controllers.number
        first = System(self._worlds.number(start), tuple(number(Controller(machine, each)) for machine in machines))
        before: dict[System, tuple[System, str, str] | None] = {first: None}
        queue = [first]
        apart = len(set(machines)) == len(machines)
        for system in queue:
            try:
                self._hold(system)
                for who, what, after in self._successors(system, apart, allowed or tuple(self.verbs)):
                    if not apart:
                        after = after._replace(controllers=tuple(sorted(after.controllers)))
                    if after not in before:
                        before[after] = (system, who, what)
                        queue.append(after)
            except BrokenError as broken:
                raise BrokenError("\n".join([*_way(system, before), str(broken)])) from None
        self.seen += len(queue)

    def _successors(self, system: System, apart: bool, allowed: tuple[str, ...]) -> Iterator[tuple[str, str, System]]:
        """Who does what, and the state after it."""
        world, controllers, turns = system
        quiet = [at for at, each in enumerate(controllers) if self._is_quiet(each)] if apart else []
        for at in quiet[:1] or range(len(controllers)):
            controller = self._controllers.values[controllers[at]]
            if controller.verb:
                for what, after, onward in self._outcomes_of(world, controllers[at]):
                    yield f"{at} ", what, System(after, _put(controllers, at, onward), turns)
            elif controller.left:
                real = self._worlds.values[world].real
                for verb in allowed:
                    begun = Controller(controller.machine, controller.left - 1, verb, turns, real)
                    onward = self._controllers.number(begun)
                    yield f"{at} begins ", verb, System(world, _put(controllers, at, onward), turns + 1)
        if quiet:
            return
        for what, after in self._events_of(world):
            yield "", what, System(after, controllers, turns)

    def _is_quiet(self, number: int) -> bool:
        """Whether what a controller does next is seen by nobody else."""
        if number not in self._quiet:
            controller = self._controllers.values[number]
            self._quiet[number] = bool(controller.verb) and isinstance(self._place(controller).effect, QUIET)
        return self._quiet[number]

    def _outcomes_of(self, in_world: int, number: int) -> list[tuple[str, int, int]]:
        """What a controller that runs a verb may do next in a world: the world and the controller after each."""
        if (in_world, number) in self._outcomes:
            return self._outcomes[in_world, number]
        world, controller, outcomes = self._worlds.values[in_world], self._controllers.values[number], []
        place = self._place(controller)
        assert place.effect is not None
        for went in self.model.do(place.effect, world, controller.machine, controller.half):
            after = _accepting(went.world)
            self._check(controller, place, went, world)
            onward = self._rested(_answered(controller, went), after)
            what = f"{controller.verb}: {type(place.effect).__name__} {went.answer}"
            outcomes.append((what, self._worlds.number(after), self._controllers.number(onward)))
        if world.deaths:
            died = self._worlds.number(world._replace(deaths=world.deaths - 1, disturbed=True))
            outcomes.append(("dies", died, self._controllers.number(Controller(controller.machine, controller.left))))
        self._outcomes[in_world, number] = outcomes
        return outcomes

    def _events_of(self, number: int) -> list[tuple[str, int]]:
        """What may happen in a world without a controller, and the world after each."""
        if number in self._events:
            return self._events[number]
        world, events = self._worlds.values[number], []
        for landed in self.model.landed(world):
            self.met["a late write landed" if landed.bucket != world.bucket else "a late write was refused"] += 1
            events.append(("a late write lands", landed))
        for other in self.model.outages(world):
            events.append((f"the bucket {'goes away' if other.away else 'is back'}", other))
        if world.accepted and not world.weight and self.model.delivers(world):
            events.append(("all is delivered", world._replace(accepted=False)))
        self._events[number] = numbered = [(what, self._worlds.number(after)) for what, after in events]
        return numbered

    def _place(self, controller: Controller) -> Place:
        """Where its steps are: they are run again with the answers that they were given."""
        key = (controller.verb, controller.turn, controller.real, controller.answers)
        if key in self._places:
            return self._places[key]
        ways, wrote, late = self.verbs[controller.verb](controller.turn, controller.real), set(), False
        effect: Any = None
        result, failed = None, None
        try:
            effect = next(ways)
            for answer in controller.answers:
                if isinstance(effect, effects.WriteRecord):
                    late = late or answer == ("error", CONFLICT)
                    if answer == ("value", None):
                        wrote.add(self.model.number(effect.record))
                try:
                    told, error = self.model.told(answer), None
                except CutoverError as failure:
                    told, error = None, failure
                effect = ways.throw(error) if error else ways.send(told)
        except StopIteration as ended:
            effect, result = None, ended.value
        except CutoverError as error:
            effect, failed = None, error
        self._places[key] = place = Place(effect, result, failed, frozenset(wrote), late)
        return place

    def _rested(self, controller: Controller, world: World) -> Controller:
        """The controller, without its verb where that has ended. Checks what it ends with."""
        place = self._place(controller)
        if place.effect is not None:
            return controller
        if place.late and controller.verb not in ("rollback", "tick"):
            self.met["a verb was told that another was quicker"] += 1
            if not isinstance(place.error, ConflictError):
                raise BrokenError(f"{controller.verb} was too late and ended as if it was not: {place}")
        if (
            controller.verb == "tick"
            and place.error
            and not world.disturbed
            and not isinstance(place.error, ConflictError)
        ):
            raise BrokenError(f"tick fails although everything answers: {place.error!r}")
        return Controller(controller.machine, controller.left)

    def _hold(self, system: System) -> None:
        """The invariants of a state."""
        controllers = [self._controllers.values[each] for each in system.controllers]
        machines, idle = frozenset(each.machine for each in controllers), not any(each.verb for each in controllers)
        self._invariants.hold(system.world, self._worlds.values[system.world], machines, idle)

    def _check(self, controller: Controller, place: Place, went: Went, world: World) -> None:
        """What may be done: who raises the weight, writes the record, or brings the base up."""
        effect, after = place.effect, went.world
        if after.weight > world.weight:
            self.met["the weight rose"] += 1
            assert isinstance(effect, effects.SetWeight)
            if controller.verb not in RAISING or self.model.number(effect.record) not in place.wrote:
                raise BrokenError(f"{controller.verb} raises the weight to {after.weight} unasked")
            if effect.record.id in world.latched:
                self.met["the weight rose in the window"] += 1
                if self.model.latch:
                    raise BrokenError(f"{controller.verb} raises the weight of a rollout that was taken back")
        if (
            isinstance(effect, effects.SetWeight)
            and went.answer[:1] == ("error",)
            and effect.record.id in world.latched
        ):
            self.met["a rise was refused after a rollback"] += bool(effect.record.weight)
        if after.bucket != world.bucket:
            old, new = self.model.record(world.bucket), self.model.record(after.bucket)
            if old and new and new.revision != old.revision + 1:
                raise BrokenError(f"revision {new.revision} is written over {old.revision}")
        if isinstance(effect, BaseUp):
            self.met["the base was brought up"] += 1
            record = self.model.record(world.bucket)
            again = record is not None and record.state is State.FINISHED
            if self.model.latch and not again and (world.weight != 100 or not (world.mark and world.mark.final)):
                raise BrokenError("stable is replaced while it has traffic, or may be given it back")


def _accepting(world: World) -> World:
    """While it has traffic the candidate accepts."""
    return world if world.accepted or not world.weight else world._replace(accepted=True)


def _answered(controller: Controller, went: Went) -> Controller:
    if went.half:
        return controller._replace(half=went.half)
    return controller._replace(answers=(*controller.answers, went.answer), half=0)


def _put(controllers: tuple[int, ...], at: int, controller: int) -> tuple[int, ...]:
    return (*controllers[:at], controller, *controllers[at + 1 :])


def _way(system: System, before: Mapping[System, tuple[System, str, str] | None]) -> list[str]:
    """What was done, step by step, to come to a state."""
    way: list[str] = []
    while step := before[system]:
        system, who, what = step
        way.insert(0, who + what)
    return way


STARTS: Mapping[str, tuple[str, ...]] = {
    "nothing": (),
    State.PREPARED: ("begin",),
    State.CANARY: ("begin", "canary"),
    State.STAGED: ("begin", "canary", "staged"),
    State.PRODUCTION: ("begin", "canary", "staged", "production"),
    State.FINISHED: ("begin", "canary", "staged", "production", "finish"),
    State.ROLLED_BACK: ("begin", "canary", "rollback"),
}
"""The verbs that come to a state."""


def started(explorer: Explorer, state: str, *, real: bool) -> World:
    """The world of a rollout that came to a state on machine 0 without a fault; machine 1 has seen its beginning."""
    world = explorer.model.fresh(real=real)
    for turn, verb in enumerate(STARTS[state], -9):
        world, place = explorer.alone(world, verb, 0, turn, strict=True)
        assert place.error is None, (verb, place.error)
        if verb == "begin":
            world = world._replace(copies=(world.copies[0], world.copies[0]))
    return world
