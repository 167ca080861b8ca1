"""A candidate on a machine: one release in the slot that its base keeps for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import pulumi

from infra.naming import Names
from infra.release import Release
from infra.runtime.docker.files import FilesVolume
from infra.runtime.docker.service import DockerRelease, DockerServiceArgs
from infra.settings.keys import Settings
from outputs.slots import DockerSlot
from outputs.smoke import DockerProcesses


@dataclass(frozen=True, kw_only=True)
class DockerCandidateArgs:
    """`service` is the release at the slot's addresses, with the files that the base has made."""

    service: DockerServiceArgs

    @classmethod
    def of(
        cls, settings: Settings, names: Names, release: Release, slot: pulumi.Output[Mapping[str, Any]]
    ) -> DockerCandidateArgs:
        kept = slot.apply(DockerSlot.from_output)
        files = FilesVolume(
            volume=kept.apply(lambda known: known.files.volume), digest=kept.apply(lambda known: known.files.digest)
        )
        address = kept.apply(lambda known: known.address.partition(":")[0])
        worker, outside = (kept.apply(attrgetter(name)) for name in ("worker", "outside"))
        return cls(service=DockerServiceArgs.of(settings, names, release, files, address, outside, worker))


class DockerCandidate(pulumi.ComponentResource):
    """The candidate's app and worker, which rests until a rollout has it deliver."""

    processes: DockerProcesses

    def __init__(self, name: str, args: DockerCandidateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Candidate", name, None, opts)
        DockerRelease("candidate", args.service, pulumi.ResourceOptions(parent=self))
        self.processes = args.service.processes
        self.register_outputs({})
