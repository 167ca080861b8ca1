"""A controller over a world in memory, and what its gates say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cutover.errors import RefusedError
from cutover.gates.judgement import Judgement
from cutover.gates.result import GateResult, Outcome
from cutover.rollout.controller import Controller
from cutover.rollout.record import Record, State
from tests.support.rollout_world import AT, MemoryWorld, record


def gate(outcome: Outcome, on: str = "rollback", why: str = "3 of 20 requests are errors") -> GateResult:
    return GateResult(name="errors", outcome=outcome, on=on, limit=0.02, bad=3, of=20, why=why)  # type: ignore[arg-type]


def judgement(outcome: Outcome, *gates: GateResult, remaining: float = 0.0) -> Judgement:
    why = gates[0].why if gates else f"all together: {outcome}"
    return Judgement(at=AT, outcome=outcome, why=why, gates=gates, elapsed=60, remaining=remaining)


NOW = AT + timedelta(minutes=40)
PASSED = judgement(Outcome.PASSED)
ERRORS = judgement(Outcome.FAILED, gate(Outcome.FAILED))


@dataclass
class Desk:
    """A controller over a world in memory, with what its gates say and whether it is frozen."""

    world: MemoryWorld
    says: Judgement = PASSED
    frozen: str | None = None
    judged: list[Record] = field(default_factory=list)
    unready: str | None = None

    @property
    def control(self) -> Controller:
        return Controller(
            stack="local",
            by="ada",
            world=self.world,
            judge=self.judge,
            frozen=self.freeze,
            ready=self.ready,
            now=lambda: NOW,
        )

    def ready(self, _known: Record, to: State) -> None:
        if self.unready:
            raise RefusedError(f"what is to get traffic is not ready for {to}: {self.unready}")

    def judge(self, known: Record) -> Judgement:
        self.judged.append(known)
        return self.says

    def freeze(self, _at: datetime) -> str | None:
        return self.frozen


def desk(state: State = State.PREPARED, says: Judgement = PASSED, **other: object) -> Desk:
    known = record(state, **other)
    return Desk(MemoryWorld(written=known, copy=known, weight=known.weight), says)
