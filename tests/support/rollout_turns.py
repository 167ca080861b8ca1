"""A rollout in memory, and turns of it: a rollback, a tick, a rise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from cutover.rollout import effects, machine, steps, way_back
from cutover.rollout.effects import Effect, Run
from cutover.rollout.record import Last, Record, State
from tests.support.rollout_world import AT, MemoryWorld, record

LAST, LATER = Last(by="ada@desk", verb="test"), AT + timedelta(hours=1)
BUCKET = (effects.ReadRecord, effects.WriteRecord)
DISK = (effects.KeepCopy, effects.WriteDown)


def world(state: State = State.CANARY, **other: Any) -> MemoryWorld:
    """The state in force, known on this machine."""
    known = record(state)
    flags = {track: known.flags(track) for track in steps.TRACKS}
    return MemoryWorld(**{"written": known, "copy": known, "weight": known.weight, "flags": flags, **other})


def roll_back(where: MemoryWorld, *, anyway: bool = False) -> tuple[steps.Turn, list[type[Effect]]]:
    run = Run(where)
    turn = run(way_back.roll_back(LAST, LATER, anyway=anyway))
    return turn, [type(effect) for effect in run.done]


def tick(where: MemoryWorld) -> Record | None:
    return Run(where)(way_back.catch_up(LATER, LAST))


def rise(where: MemoryWorld, to: State = State.STAGED) -> steps.Turn:
    return Run(where)(steps.change(lambda now: machine.risen(now, to, LAST, LATER)))


def overtaking(made: MemoryWorld, times: int) -> Callable[[Effect], object]:
    """Somebody who holds the rollout just before each of the first writes."""
    writes: list[Effect] = []

    def meanwhile(effect: Effect) -> None:
        if isinstance(effect, effects.WriteRecord) and len(writes) < times and made.written:
            writes.append(effect)
            made.written = replace(made.written, revision=made.written.revision + 1, hold="somebody")

    return meanwhile
