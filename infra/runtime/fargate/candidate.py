"""A candidate on fargate: one service in the slot that its base keeps for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.naming import Names
from infra.release import Release
from infra.runtime.fargate.runtime import task_edge
from infra.runtime.fargate.service import ServiceArgs, service
from infra.runtime.fargate.task import TaskArgs, app_containers, task_definition
from infra.settings.keys import Settings
from infra.settings.sections import FargateSettings
from infra.shapes import later
from outputs.slots import FargateSlot
from outputs.smoke import FargateProcesses


@dataclass(frozen=True, kw_only=True)
class FargateCandidateArgs:
    """`slot` is the base's output slots.candidate; `family` names the task definition."""

    family: str
    release: Release
    edge_image: str
    health_command: Sequence[str]
    fargate: FargateSettings
    slot: pulumi.Output[FargateSlot]

    @classmethod
    def of(
        cls, settings: Settings, names: Names, release: Release, slot: pulumi.Output[Mapping[str, Any]]
    ) -> FargateCandidateArgs:
        return cls(
            family=f"{names.prefix}-candidate",
            release=release,
            edge_image=settings.edge.require_image(),
            health_command=settings.health_command,
            fargate=settings.fargate,
            slot=slot.apply(FargateSlot.from_output),
        )


class FargateCandidate(pulumi.ComponentResource):
    """The candidate's task definition and service. It has no worker: the queues are stable's until production."""

    processes: FargateProcesses

    def __init__(self, name: str, args: FargateCandidateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:Candidate", name, None, opts)
        release, slot = args.release, args.slot
        containers = pulumi.Output.all(slot=slot, environment=release.environment).apply(
            lambda known: app_containers(
                image=release.image,
                edge_image=args.edge_image,
                edge=task_edge("candidate", known["slot"].edge),
                environment=known["environment"],
                log_group=known["slot"].log_group,
                region=known["slot"].region,
                health_command=args.health_command,
            )
        )
        child = pulumi.ResourceOptions(parent=self)
        task = task_definition(
            "candidate",
            TaskArgs.of(
                args.fargate,
                args.family,
                containers,
                execution_role=slot.apply(lambda known: known.execution_role),
                task_role=slot.apply(lambda known: known.task_role),
            ),
            child,
        )
        app = service(
            "candidate",
            ServiceArgs(
                name="candidate",
                cluster=slot.apply(lambda known: known.cluster),
                task=task.arn,
                tasks=args.fargate.tasks,
                subnets=slot.apply(lambda known: list(known.subnets)),
                security_group=slot.apply(lambda known: known.security_group),
                target_group=slot.apply(lambda known: known.target_group),
                alarms=[slot.apply(lambda known: known.ready_alarm)],
            ),
            child,
        )
        self.processes = FargateProcesses(cluster=later(slot.apply(lambda known: known.cluster)), app=later(app.name))
        self.register_outputs({})
