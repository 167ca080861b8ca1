"""What a rollout begins with: both releases, the phases, and where everything is, as the two stacks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cutover.errors import RefusedError, StackMissingError
from cutover.rollout.phases import FlagValues, Phase
from cutover.rollout.record import Last, Record, Releases, RolledRelease, State, Targets
from cutover.schema import files
from cutover.stacks.outputs import Outputs
from cutover.stacks.project import PROJECT, config, stack_names
from outputs.flags import FlagsParameters
from outputs.schema import AppliedSchema
from outputs.smoke import SmokeTarget
from outputs.traffic import traffic_from

NOT_COPIED: Mapping[str, str | int | None] = {
    "workerCommand": None,
    "healthCommand": None,
    "fargate.architecture": "X86_64",
    "fargate.cpu": 512,
    "fargate.memory": 1024,
    "fargate.workerTasks": 1,
}
"""What finish leaves to a person, with what counts where a file is silent: lists, which Pulumi's CLI writes item by
item, and the size of the tasks, for gates compare two releases on machines that are alike."""


def candidate_of(base: str) -> str:
    """The stack whose file names this base. Raises StackMissingError where none does, or several do."""
    found = [stack for stack in stack_names() if config(stack).get("web-next:base") == base]
    if len(found) != 1:
        raise StackMissingError(
            f"{' and '.join(found) or 'no stack'} stands on {base}: a rollout has one candidate, a Pulumi.NAME.yaml "
            f"with web-next:track candidate and web-next:base {base}"
        )
    return found[0]


def require_alike(base: str, candidate: str) -> None:
    """Raises RefusedError where the two files differ in what releases are compared by and `finish` does not copy."""
    for key, silent in NOT_COPIED.items():
        own, bases = (_said(stack, key) or silent for stack in (candidate, base))
        if str(own) != str(bases):
            raise RefusedError(
                f"web-next:{key} is {own} in Pulumi.{candidate}.yaml and {bases} in Pulumi.{base}.yaml: the releases "
                "are compared by it, and finish does not copy it; write the same into both"
            )


def _said(stack: str, key: str) -> Any:
    """What the stack's file has for a key, which may be in a section."""
    name, _, inner = key.partition(".")
    found: Any = config(stack).get(f"web-next:{name}")
    return (found if isinstance(found, dict) else {}).get(inner) if inner else found


def require_other_file(candidate: str, stable: SmokeTarget) -> None:
    """Raises RefusedError where the candidate's file asks for the release that stable has, before it is brought up."""
    asked = config(candidate)
    adapters = {**dict.fromkeys(stable.adapters, "production"), **(asked.get("web-next:adapters") or {})}
    newest = max((each.version for each in files.load(PROJECT / "migrations")), default=0)
    if (
        str(asked.get("web-next:image", "")).rpartition("@")[2] == stable.image.rpartition("@")[2]
        and asked.get("web-next:buildSha") == stable.build_sha
        and str(asked.get("web-next:version")) == stable.version
        and adapters == stable.adapters
        and newest == stable.schema.version
    ):
        raise _same(candidate, stable)


def _same(candidate: str, stable: SmokeTarget) -> RefusedError:
    return RefusedError(
        f"{candidate} has the release of {stable.stack}, {stable.version} ({stable.digest[:12]}): set another image, "
        f"version or adapters in Pulumi.{candidate}.yaml, then begin"
    )


def targets_of(base: Outputs) -> Targets:
    """Where all is set and read of a base. Raises StackMissingError when it was never brought up to its end."""
    target = base.read("smoke_target", SmokeTarget.from_output)
    traffic = base.read("traffic", traffic_from)
    flags = base.read("flags_parameters", FlagsParameters.from_output)
    webhook = (base.values.get("vault") or {}).get("SLACK_WEBHOOK_URL")
    if target is None or traffic is None or flags is None or webhook is None:
        raise StackMissingError(
            f"stack {base.stack} splits no traffic: name a base that was brought up to its end, cutover up -s "
            f"{base.stack}"
        )
    return Targets(traffic=traffic, flags=flags, edge=target.edge, places=target.places, webhook_secret=str(webhook))


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A rollout of what `candidate` has deployed, over what `stable` has. `applied` is the schema of the database now,
    `stable_flags` are those in force."""

    stable: SmokeTarget
    candidate: SmokeTarget
    applied: AppliedSchema
    targets: Targets
    phases: Sequence[Phase]
    stable_flags: FlagValues

    def require_new(self) -> None:
        """Raises RefusedError when the candidate is what stable runs already."""
        if self.candidate.digest == self.stable.digest:
            raise _same(self.candidate.stack, self.stable)

    def record(self, pack: str, last: Last, at: datetime) -> Record:
        """The first revision of its record, prepared."""
        return Record(
            revision=1,
            id=f"{at:%Y%m%dT%H%M%SZ}-{self.candidate.digest[:8]}",
            stack=self.stable.stack,
            state=State.PREPARED,
            since=at,
            releases=Releases(stable=_rolled(self.stable), candidate=_rolled(self.candidate), one_way=self._one_way()),
            phases=self.phases,
            targets=self.targets,
            stable_flags=self.stable_flags,
            pack=pack,
            last=last,
        )

    def _one_way(self) -> str | None:
        """The migration that was applied since stable was proven, and that takes something away from it."""
        later = [each for each in files.load(PROJECT / "migrations") if each.version <= self.applied.version]
        return next((each.file for each in later if each.contract and each.version > self.stable.schema.version), None)


def _rolled(target: SmokeTarget) -> RolledRelease:
    return RolledRelease(
        track=target.track,
        image=target.image,
        build_sha=target.build_sha,
        version=target.version,
        adapters=target.adapters,
        digest=target.digest,
        stack=target.stack,
        schema_version=target.schema.version,
        processes=target.processes,
    )
