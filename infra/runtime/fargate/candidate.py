"""A candidate on fargate: its app in the slot that the base keeps for it, and its worker."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.naming import Names
from infra.release import Release
from infra.runtime.fargate.alarms import StandingAlarms, StandingAlarmsArgs, fallback_alarms, worker_alarm
from infra.runtime.fargate.edge import task_edge
from infra.runtime.fargate.service import ScalingArgs, ServiceArgs, scaling, service
from infra.runtime.fargate.task import TaskArgs, app_containers, task_definition, worker_containers
from infra.runtime.fargate.work import late_alarm
from infra.settings.keys import Settings
from infra.settings.sections import FargateSettings
from infra.shapes import later
from outputs.slots import FargateSlot
from outputs.smoke import FargateProcesses


@dataclass(frozen=True, kw_only=True)
class FargateCandidateArgs:
    """`slot` is the base's output slots.candidate; `prefix` starts the task definitions' families. `real` are the
    adapters that are no mocks."""

    prefix: str
    release: Release
    edge_image: str
    worker_command: Sequence[str]
    health_command: Sequence[str]
    fargate: FargateSettings
    real: Collection[str]
    slot: pulumi.Output[FargateSlot]

    @classmethod
    def of(
        cls, settings: Settings, names: Names, release: Release, slot: pulumi.Output[Mapping[str, Any]]
    ) -> FargateCandidateArgs:
        return cls(
            prefix=names.prefix,
            release=release,
            edge_image=settings.edge.require_image(),
            worker_command=settings.worker_command,
            health_command=settings.health_command,
            fargate=settings.fargate,
            real=settings.adapters.real,
            slot=slot.apply(FargateSlot.from_output),
        )


class FargateCandidate(pulumi.ComponentResource):
    """The candidate's services: app with nginx, scaled as stable's is, and worker, which rests until a rollout has it
    deliver. They log into the slot's groups. What its adapters make an alarm is its own: stable's may be mocks."""

    processes: FargateProcesses

    def __init__(self, name: str, args: FargateCandidateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:Candidate", name, None, opts)
        self._args, self._child = args, pulumi.ResourceOptions(parent=self)
        release, slot = args.release, args.slot
        known = pulumi.Output.all(slot, release.environment)
        app = known.apply(
            lambda known: app_containers(
                image=release.image,
                edge_image=args.edge_image,
                edge=task_edge("candidate", known[0].edge),
                environment=known[1],
                logs=known[0].logs,
                region=known[0].region,
                memory=args.fargate.memory,
                health_command=args.health_command,
            )
        )
        worker = known.apply(
            lambda known: worker_containers(
                image=release.image,
                command=args.worker_command,
                environment=known[1],
                logs=known[0].logs,
                region=known[0].region,
                memory=args.fargate.memory,
                health_command=args.health_command,
            )
        )
        app_task, app_service = self._service(
            "candidate",
            app,
            slot.apply(lambda known: known.scaling.least),
            target_group=slot.apply(lambda known: known.target_group),
            alarms=[slot.apply(lambda known: known.ready_alarm)],
        )
        cluster = slot.apply(lambda known: known.cluster.rpartition("/")[2])
        own = ScalingArgs(
            resource=pulumi.Output.concat("service/", cluster, "/", app_service.name),
            label=slot.apply(lambda known: known.scaling.label),
            least=slot.apply(lambda known: known.scaling.least),
            most=slot.apply(lambda known: known.scaling.most),
        )
        scaling("candidate", own, self._child)
        worker_task, worker_service = self._service("candidate-worker", worker, args.fargate.worker_tasks)
        self._alarms({"ClusterName": cluster, "ServiceName": worker_service.name}, [app_service, worker_service])
        self.processes = FargateProcesses(
            cluster=later(slot.apply(lambda known: known.cluster)),
            app=later(app_service.name),
            worker=later(worker_service.name),
            app_definition=later(app_task.arn),
            worker_definition=later(worker_task.arn),
        )
        self.register_outputs({})

    def _alarms(self, worker: Mapping[str, pulumi.Input[str]], after: Sequence[pulumi.Resource]) -> None:
        args, told = self._args, self._args.slot.apply(lambda known: known.alarms)
        namespace = told.apply(lambda known: known.namespace)
        alarms = [
            worker_alarm("candidate-worker", worker, args.fargate.worker_tasks),
            *fallback_alarms("candidate", namespace, args.real),
        ]
        if "queue" in args.real:
            alarms.append(late_alarm("candidate-alerts-late", namespace, delivers=True))
        prefix, topic = told.apply(lambda known: known.prefix), told.apply(lambda known: known.topic)
        StandingAlarms(
            "standing",
            StandingAlarmsArgs.of(prefix, topic, alarms),
            pulumi.ResourceOptions(parent=self, depends_on=[*after]),
        )

    def _service(
        self,
        name: str,
        containers: pulumi.Output[list[dict[str, Any]]],
        tasks: pulumi.Input[int],
        *,
        target_group: pulumi.Output[str] | None = None,
        alarms: Sequence[pulumi.Output[str]] = (),
    ) -> tuple[aws.ecs.TaskDefinition, aws.ecs.Service]:
        args, slot = self._args, self._args.slot
        roles = {
            "execution_role": slot.apply(lambda known: known.execution_role),
            "task_role": slot.apply(lambda known: known.task_role),
        }
        task = TaskArgs.of(args.fargate, f"{args.prefix}-{name}", containers, **roles)
        made = task_definition(name, task, self._child)
        placed = ServiceArgs(
            name=name,
            cluster=slot.apply(lambda known: known.cluster),
            task=made.arn,
            tasks=tasks,
            subnets=slot.apply(lambda known: list(known.subnets)),
            security_group=slot.apply(lambda known: known.security_group),
            target_group=target_group,
            alarms=alarms,
            scaled=target_group is not None,
        )
        return made, service(name, placed, self._child)
