"""A candidate: one release on a base stack, proven in its slot while it has no traffic."""

from __future__ import annotations

import pulumi

from infra import providers
from infra.base import Base
from infra.deployment_record import DeploymentRecord, DeploymentRecordArgs
from infra.guard import RemovalGuard, guarding, told_of
from infra.naming import Names
from infra.release import Release, release_of
from infra.runtime import candidate_of
from infra.schema import required_version
from infra.settings.keys import Settings


class Candidate:
    """The release in the base's slot, and its deployment record, which like the base's exists for a GO only.

    Guards stand before the one and after the other: nothing of the release changes or goes while it has traffic."""

    release: Release
    record: DeploymentRecord

    def __init__(self, settings: Settings, names: Names) -> None:
        using: list[pulumi.ProviderResource] = [providers.aws_provider(settings)]
        stack = settings.require_base()
        base = Base(stack).read.apply(lambda known: known.shared_with(settings))
        self.release = release_of(settings, base.apply(lambda known: known.environment), schema=required_version())
        slot = base.apply(lambda known: known.slot)
        told = base.apply(
            lambda known: told_of(settings, self.release, stack, known.places.records_bucket, known.traffic)
        )
        guarded = pulumi.ResourceOptions(providers=using, transformations=[guarding(told)])
        placed = candidate_of(settings, names, self.release, slot, guarded)
        self.record = DeploymentRecord(
            "deployment",
            DeploymentRecordArgs.of(
                settings,
                self.release,
                schema=base.apply(lambda known: known.schema.output()),
                edge=base.apply(lambda known: known.edge.output()),
                places=base.apply(lambda known: known.places.output()),
                processes=placed.processes,
            ),
            pulumi.ResourceOptions(providers=using, depends_on=[placed]),
        )
        RemovalGuard("traffic", told, pulumi.ResourceOptions(depends_on=[placed, self.record]))
