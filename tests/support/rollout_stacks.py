"""Two stacks in memory for the commands that raise a candidate, and the pack that is signed for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from cutover.commands import waiting
from cutover.errors import CutoverError
from cutover.evidence import keeping
from cutover.evidence.approvals import approve
from cutover.evidence.bucket import RecordsBucket
from cutover.evidence.form import Role
from cutover.evidence.keeping import KeptPack
from cutover.evidence.pack import Pack
from cutover.evidence.places import upload
from cutover.gates import source
from cutover.gates.judgement import Judgement
from cutover.gates.result import GateResult, Outcome
from cutover.rollout import opening, proposal, settings, stable_file
from cutover.rollout.controller import Controller, Ticked
from cutover.rollout.flags import Flags
from cutover.rollout.phases import PHASES, FlagValues
from cutover.rollout.record import Record
from cutover.smoke import run
from cutover.smoke.report import Report
from cutover.stacks import bring_up, outputs
from cutover.stacks.outputs import Outputs
from outputs.smoke import SmokeTarget
from tests.support.memory_bucket import Memory
from tests.support.packs import AT, SUPPLIED, TARGET, findings, report_of
from tests.support.rollout_world import MemoryWorld
from tests.support.rollouts import TARGETS

NEW = replace(TARGET, track="candidate", stack="local-canary")
STABLE = replace(TARGET, version="1.5.0", digest="0a" * 32)


def judgement(outcome: Outcome, *, on: str = "hold", remaining: float = 0.0) -> Judgement:
    gate = GateResult(name="errors", outcome=outcome, on=on, limit=0.02, why=f"it is {outcome}")  # type: ignore[arg-type]
    return Judgement(at=AT, outcome=outcome, why=gate.why, gates=[gate], elapsed=9, remaining=remaining)


@dataclass
class Stacks:
    """Two stacks in memory: what was brought up, at which weight, and what fails then."""

    world: MemoryWorld = field(default_factory=MemoryWorld)
    memory: Memory = field(default_factory=Memory)
    deployed: dict[str, SmokeTarget] = field(default_factory=lambda: {"local": STABLE, "local-canary": NEW})
    up: list[tuple[str, int]] = field(default_factory=list)
    smoked: list[SmokeTarget] = field(default_factory=list)
    hours: float = 0.0
    says: Judgement = field(default_factory=lambda: judgement(Outcome.PASSED))
    reported: list[Ticked] = field(default_factory=list)
    failure: CutoverError | None = None
    unknown: CutoverError | None = None

    def bring_up(self, stack: str, *, refresh: bool = False) -> None:
        self.up.append((stack, self.world.weight))
        if self.failure:
            raise self.failure

    def opened(self, stack: str, *, by: str | None = None, targets: object = None) -> Controller:
        return Controller(
            stack=stack,
            by=by or "ada",
            world=self.world,
            judge=lambda _record: self.says,
            frozen=lambda _at: None,
            ready=lambda _record, _to: None,
            now=lambda: AT + timedelta(hours=self.hours, minutes=1 + len(self.up)),
        )

    def run_and_keep(self, _suite: object, target: SmokeTarget, _say: object) -> Report:
        self.smoked.append(target)
        at = AT + timedelta(hours=self.hours)
        found = [replace(each, at=at) for each in findings()]
        return report_of(found, target, at=at)

    def keep_pack(self, report: Report) -> KeptPack:
        made = Pack.of(report, SUPPLIED)
        upload(self.memory.bucket, made)
        return KeptPack(folder=made.document.key, id=made.id)

    def sign(self, *roles: Role) -> None:
        for role in roles:
            approve(
                self.memory.bucket,
                NEW.digest,
                PACK.id,
                role,
                "Ada",
                "arn:aws:sts::1:ada",
            )

    def require_known(self, *_: Any) -> None:
        if self.unknown:
            raise self.unknown

    @property
    def record(self) -> Record:
        assert self.world.written
        return self.world.written


PACK = Pack.of(report_of(findings(), NEW), SUPPLIED)


def stacks(monkeypatch: pytest.MonkeyPatch) -> Stacks:
    made = Stacks()
    upload(made.memory.bucket, PACK)

    @contextmanager
    def source_of(*_: object) -> Iterator[Stacks]:
        yield made

    monkeypatch.setattr(RecordsBucket, "of", classmethod(lambda _cls, _places, _patience=None: made.memory.bucket))
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, {}))
    monkeypatch.setattr(outputs, "deployed", lambda stack: made.deployed[stack])
    monkeypatch.setattr(bring_up, "bring_up", made.bring_up)
    monkeypatch.setattr(proposal, "targets_of", lambda _base: TARGETS)
    monkeypatch.setattr(proposal, "candidate_of", lambda _base: "local-canary")
    monkeypatch.setattr(proposal, "require_other_file", lambda _candidate, _stable: None)
    monkeypatch.setattr(proposal, "require_alike", lambda _base, _candidate: None)
    monkeypatch.setattr(settings, "settings_of", lambda _base: None)
    monkeypatch.setattr(settings, "phases_of", lambda _settings: PHASES)
    monkeypatch.setattr(opening, "opened", made.opened)
    monkeypatch.setattr(opening, "reported", lambda _control, ticked: made.reported.append(ticked))
    monkeypatch.setattr(run, "run_and_keep", made.run_and_keep)
    monkeypatch.setattr(keeping, "keep_pack", made.keep_pack)
    monkeypatch.setattr(source, "source_of", source_of)
    monkeypatch.setattr(Flags, "of", classmethod(lambda _cls, _places: KeptFlags()))
    monkeypatch.setattr(stable_file, "adopt", lambda _base, release: f"  +version: {release.version}")
    monkeypatch.setattr(waiting, "TICK_SECONDS", 0.0)
    return made


class KeptFlags:
    """What each parameter says, whoever asks."""

    said: ClassVar[dict[str, FlagValues]] = {}

    def read(self, parameter: str) -> FlagValues:
        return self.said.get(parameter, FlagValues(alerts_consume=False))

    def write(self, parameter: str, flags: FlagValues) -> None:
        self.said[parameter] = flags


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]
