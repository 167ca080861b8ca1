"""A candidate on a machine: one release in the slot that its base keeps for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi

from infra.naming import Names
from infra.release import Release
from infra.runtime.docker.files import FilesVolume
from infra.runtime.docker.service import DockerRelease, DockerServiceArgs
from infra.settings.keys import Settings
from outputs.slots import DockerSlot


def docker_candidate(
    settings: Settings,
    names: Names,
    release: Release,
    slot: pulumi.Output[Mapping[str, Any]],
    opts: pulumi.ResourceOptions,
) -> DockerRelease:
    """Declares the candidate's container at the slot's address, with the files that the base has made."""
    kept = slot.apply(DockerSlot.from_output)
    files = FilesVolume(
        volume=kept.apply(lambda known: known.files.volume), digest=kept.apply(lambda known: known.files.digest)
    )
    address = kept.apply(lambda known: known.address.partition(":")[0])
    return DockerRelease("candidate", DockerServiceArgs.of(settings, names, release, files, address), opts)
