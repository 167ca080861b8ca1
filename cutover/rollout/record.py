"""The rollout record: what runs now. Weight, flags and worker follow from it and are kept nowhere else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field

from cutover.rollout.phases import FlagValues, Phase
from outputs.flags import FlagsParameters
from outputs.release import ReleaseSummary, Track
from outputs.shape import Shape
from outputs.smoke import DockerProcesses, EdgeSummary, FargateProcesses, Places
from outputs.traffic import DockerTraffic, FargateTraffic

KEY = "rollout.json"
"""In the records bucket; its kept versions are the history."""


class State(StrEnum):
    """Where a rollout is."""

    PREPARED = "prepared"
    CANARY = "canary"
    STAGED = "staged"
    PRODUCTION = "production"
    FINISHING = "finishing"
    FINISHED = "finished"
    ROLLED_BACK = "rolled_back"

    @property
    def running(self) -> bool:
        """Whether it is neither over nor taken back: another may not begin."""
        return self not in (State.FINISHED, State.ROLLED_BACK)


@dataclass(frozen=True, kw_only=True)
class RolledRelease(ReleaseSummary):
    """A release of the rollout, the stack that declares it, the schema version that it was proven with, and what runs
    it."""

    stack: str
    schema_version: int
    processes: Annotated[DockerProcesses | FargateProcesses, Field(discriminator="runtime")]


@dataclass(frozen=True, kw_only=True)
class Releases(Shape):
    """Both releases; `one_way` names a migration between them that the stable one does not survive."""

    stable: RolledRelease
    candidate: RolledRelease
    one_way: str | None = None


@dataclass(frozen=True, kw_only=True)
class Targets(Shape):
    """Where everything is set and read, copied from the base's outputs: nothing later needs Pulumi. `webhook_secret` is
    the ARN of the vault entry SLACK_WEBHOOK_URL."""

    traffic: Annotated[DockerTraffic | FargateTraffic, Field(discriminator="runtime")]
    flags: FlagsParameters
    edge: EdgeSummary
    places: Places
    webhook_secret: str


@dataclass(frozen=True, kw_only=True)
class Last(Shape):
    """Who wrote this revision, by which verb, and why; `gate` is what made `tick` do it."""

    by: str
    verb: str
    why: str | None = None
    gate: str | None = None

    @property
    def said(self) -> str:
        """Why; where nobody said, the verb and whose it was."""
        return self.why or f"{self.verb} by {self.by}"


@dataclass(frozen=True, kw_only=True)
class Record(Shape):
    """One revision of the rollout `id` of the base stack `stack`.

    `since` is when the state began. `hold` says why nothing may go on, None where it may; `extended` whether the phase
    got a second hold because the first saw too little. `stable_flags` are stable's own, as they were at the start.
    `cleanup_locked` keeps the clean-up jobs from deleting, `draining` has the candidate's worker deliver what it has
    accepted. `pack` is the id of the evidence pack, `signed` who has approved it, or why it went on without.
    """

    schema: Literal[1] = 1
    revision: int
    id: str
    stack: str
    state: State
    since: datetime
    hold: str | None = None
    extended: bool = False
    releases: Releases
    phases: Sequence[Phase]
    targets: Targets
    stable_flags: FlagValues
    cleanup_locked: bool = False
    draining: bool = False
    pack: str | None = None
    signed: Sequence[str] = ()
    last: Last

    @property
    def phase(self) -> Phase | None:
        """The phase that is on; None outside of the three. While it finishes, production's still is."""
        name = State.PRODUCTION if self.state is State.FINISHING else self.state
        return next((phase for phase in self.phases if phase.name == name.value), None)

    @property
    def weight(self) -> int:
        """The candidate's share in percent."""
        phase = self.phase
        return phase.weight if phase else 0

    @property
    def keeps_tasks(self) -> bool:
        """Whether no track may lose tasks: while the candidate has a share each may get all of the traffic."""
        return self.weight > 0

    @property
    def way_back(self) -> bool:
        """Whether there is one: until stable itself becomes the candidate's release."""
        return self.state not in (State.FINISHING, State.FINISHED)

    @property
    def one_way(self) -> str | None:
        """The migration that stable does not survive, once the candidate has traffic: then none of it goes back."""
        return self.releases.one_way if self.weight else None

    @property
    def mock_queue(self) -> bool:
        """Whether stable's worker delivers nothing: alerts that the candidate accepts are its own to deliver. A
        candidate whose queue is a mock too accepts none."""
        stable, candidate = (each.adapters.get("queue") for each in (self.releases.stable, self.releases.candidate))
        return stable == "mock" != candidate

    @property
    def own_flags(self) -> FlagValues:
        """Stable's own: those that it had at the start, and once the rollout is finished those of the last phase."""
        return self.phases[-1].flags if self.state is State.FINISHED else self.stable_flags

    def flags(self, track: Track) -> FlagValues:
        """The flags of a track: they act on the candidate until the rollout is finished, then on stable.

        Where stable's queue is a mock the candidate's worker delivers after a rollback too: what is left, and what the
        proof of the next candidate sends.
        """
        if track == "stable":
            own = self.own_flags
            return replace(own, cleanup_dry_run=self.cleanup_locked or own.cleanup_dry_run)
        own = self.phase.flags if self.phase else FlagValues(alerts_consume=False)
        delivers = own.alerts_consume or (self.mock_queue and self.state is not State.FINISHED)
        return replace(own, alerts_consume=delivers, cleanup_dry_run=self.cleanup_locked)

    def text(self) -> str:
        """The canonical text."""
        return json.dumps(self.output(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, text: str | bytes) -> Self:
        """The record that a text is. Raises ValueError when it is none of this revision's form."""
        return cls.from_output(json.loads(text))
