"""The fargate runtime: the stable release behind a load balancer, and the slot that it keeps for a candidate."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.monitoring import Monitoring
from infra.naming import Names
from infra.network import Network
from infra.nginx import EdgeConfig
from infra.release import Release, shared_environment
from infra.role import AppRole
from infra.runtime.fargate.alarms import StandingAlarms, StandingAlarmsArgs, standing_alarms
from infra.runtime.fargate.balancer import TRACKS, Balancer, BalancerArgs
from infra.runtime.fargate.dashboard import declare_dashboard
from infra.runtime.fargate.edge import edge_settings, task_edge
from infra.runtime.fargate.firewall import Firewall, FirewallArgs
from infra.runtime.fargate.logs import TaskLogs, TaskLogsArgs
from infra.runtime.fargate.metrics import TrackMetrics, TrackMetricsArgs
from infra.runtime.fargate.roles import ExecutionRole, ExecutionRoleArgs
from infra.runtime.fargate.service import ScalingArgs, ServiceArgs, scaling, service
from infra.runtime.fargate.task import TaskArgs, app_containers, task_definition, worker_containers
from infra.runtime.fargate.watch import Watch, WatchArgs
from infra.runtime.fargate.work import WorkMetrics, WorkMetricsArgs, work_alarms
from infra.settings.keys import Settings
from infra.settings.sections import EdgeSettings, FargateSettings
from infra.shapes import later
from outputs.slots import FargatePlace, FargateSlot, FargateSlots, Scaling, SlotAlarms, TaskEdge
from outputs.smoke import CLOUDWATCH, FargateProcesses
from outputs.traffic import FargateTraffic


@dataclass(frozen=True, kw_only=True)
class FargateRuntimeArgs:
    """`release` goes into the stable slot; `task_role`, an ARN, is the app's; alarms tell `topic`, an ARN.

    `told` is what every task's nginx is told beside its track, `environment` what a candidate's app is told.
    `real` are stable's adapters that are no mocks: a worker whose queue is says what waits.
    """

    names: Names
    url: str
    release: Release
    network: Network
    task_role: pulumi.Input[str]
    topic: pulumi.Input[str]
    logs: TaskLogsArgs
    fargate: FargateSettings
    edge: EdgeSettings
    firewall: FirewallArgs
    real: Collection[str]
    balancer: BalancerArgs
    watch: WatchArgs
    worker_command: Sequence[str]
    health_command: Sequence[str]
    told: TaskEdge
    environment: Mapping[str, str]

    @classmethod
    def of(
        cls,
        settings: Settings,
        names: Names,
        release: Release,
        network: Network,
        role: AppRole,
        monitoring: Monitoring,
    ) -> FargateRuntimeArgs:
        logs = TaskLogsArgs.of(names, settings.log_days)
        return cls(
            names=names,
            url=settings.origin,
            release=release,
            network=network,
            task_role=role.role.arn,
            topic=monitoring.topic.arn,
            logs=logs,
            fargate=settings.fargate,
            edge=settings.edge,
            firewall=FirewallArgs.of(settings, names),
            real=settings.adapters.real,
            balancer=BalancerArgs.of(settings, names, network),
            watch=WatchArgs.of(settings, names, network, logs.watch, monitoring.topic.arn),
            worker_command=settings.worker_command,
            health_command=settings.health_command,
            told=edge_settings(settings, names),
            environment=shared_environment(settings, names, "candidate"),
        )


class FargateRuntime(pulumi.ComponentResource):
    """Cluster, balancer, firewall, and the services of the stable release: app with nginx, and worker."""

    edge_url: str
    address: str
    """The balancer's own name: whoever proves a release does not wait for DNS."""
    edge: EdgeConfig
    slots: FargateSlots
    traffic: FargateTraffic
    metrics_url: pulumi.Input[str]
    parts: list[pulumi.Resource]
    processes: FargateProcesses
    receiver: str | None = None
    """Alerts go where the vault says, and nowhere that smoke could look."""
    grafana: str | None = None
    """Nobody runs one: the dashboards are a machine's."""

    def __init__(self, name: str, args: FargateRuntimeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:Runtime", name, None, opts)
        names, network = args.names, args.network
        self._args, self._child = args, pulumi.ResourceOptions(parent=self)
        self.edge, self.edge_url = task_edge("stable", args.told), args.url

        self._cluster = aws.ecs.Cluster(
            "cluster",
            name=names.prefix,
            settings=[aws.ecs.ClusterSettingArgs(name="containerInsights", value="enhanced")],
            opts=self._child,
        )
        logs = TaskLogs("logs", args.logs, self._child)
        after_logs = pulumi.ResourceOptions(parent=self, depends_on=[logs])
        images = (args.release.image, args.edge.require_image(), args.watch.image)
        execution = ExecutionRoleArgs.of(names, images, list(args.logs.groups.values()))
        self._execution = ExecutionRole("execution", execution, self._child)
        balancer = Balancer("balancer", args.balancer, self._child)
        Firewall("firewall", args.firewall, self._child).before(balancer.balancer)
        tracks = TrackMetricsArgs.of(names, args.logs.tracks, balancer, args.real, args.topic)
        metrics = TrackMetrics("tracks", tracks, after_logs)
        app_task, app = self._app(balancer, metrics)
        worker_task, worker = self._worker(after_logs)
        of_worker = {"ClusterName": self._cluster.name, "ServiceName": worker.name}
        standing = [
            *standing_alarms(tracks.dimensions("stable"), of_worker, args.fargate.worker_tasks),
            *work_alarms(names.metrics, delivers="queue" in args.real),
        ]
        declare_dashboard(names, {track: tracks.dimensions(track) for track in TRACKS}, of_worker, self._child)
        Watch("watch", args.watch, self._execution, after_logs)
        WorkMetrics("work", WorkMetricsArgs.of(names, args.logs.tracks), after_logs)
        StandingAlarms(
            "standing",
            StandingAlarmsArgs.of(names.prefix, args.topic, standing),
            pulumi.ResourceOptions(parent=self, depends_on=[app, worker]),
        )
        self.slots = FargateSlots(
            stable=FargatePlace(target_group=later(balancer.groups["stable"].arn)),
            candidate=FargateSlot(
                region=names.region,
                cluster=later(self._cluster.arn),
                subnets=[later(pulumi.Output.from_input(subnet)) for subnet in network.subnet_ids["app"]],
                security_group=later(network.app.id),
                target_group=later(balancer.groups["candidate"].arn),
                execution_role=later(self._execution.arn),
                task_role=later(pulumi.Output.from_input(args.task_role)),
                logs=args.logs.tracks["candidate"],
                ready_alarm=metrics.alarms["candidate"],
                alarms=SlotAlarms(
                    prefix=names.prefix,
                    namespace=names.metrics,
                    topic=later(pulumi.Output.from_input(args.topic)),
                ),
                scaling=self._scaling(balancer, "candidate"),
                edge=args.told,
                environment=args.environment,
            ),
        )
        self.traffic, self.address = balancer.traffic, later(balancer.balancer.dns_name)
        self.metrics_url = f"{CLOUDWATCH}{names.metrics}"
        self.processes = FargateProcesses(
            cluster=later(self._cluster.arn),
            app=later(app.name),
            worker=later(worker.name),
            app_definition=later(app_task.arn),
            worker_definition=later(worker_task.arn),
        )
        self.parts = [app, worker, balancer, metrics]
        self.register_outputs({"edge_url": self.edge_url})

    def _app(self, balancer: Balancer, metrics: TrackMetrics) -> tuple[aws.ecs.TaskDefinition, aws.ecs.Service]:
        args = self._args
        containers = args.release.environment.apply(
            lambda environment: app_containers(
                image=args.release.image,
                edge_image=args.edge.require_image(),
                edge=self.edge,
                environment=environment,
                logs=args.logs.tracks["stable"],
                region=args.names.region,
                memory=args.fargate.memory,
                health_command=args.health_command,
            )
        )
        made = self._task("stable", containers)
        placed = ServiceArgs(
            name="stable",
            cluster=self._cluster.arn,
            task=made.arn,
            tasks=args.fargate.tasks,
            subnets=args.network.subnet_ids["app"],
            security_group=args.network.app.id,
            target_group=balancer.groups["stable"].arn,
            alarms=[metrics.alarms["stable"]],
            scaled=True,
        )
        # ECS registers tasks with a target group only once a listener has it.
        waits = pulumi.ResourceOptions(parent=self, depends_on=[balancer, metrics])
        app = service("stable", placed, waits)
        resource = pulumi.Output.concat("service/", args.names.prefix, "/", app.name)
        scaling("stable", ScalingArgs.of(self._scaling(balancer, "stable"), resource), self._child)
        return made, app

    def _scaling(self, balancer: Balancer, track: str) -> Scaling:
        label = pulumi.Output.concat(balancer.balancer.arn_suffix, "/", balancer.groups[track].arn_suffix)
        return Scaling(least=self._args.fargate.tasks, most=self._args.fargate.most_tasks, label=later(label))

    def _worker(self, after: pulumi.ResourceOptions) -> tuple[aws.ecs.TaskDefinition, aws.ecs.Service]:
        args = self._args
        containers = args.release.environment.apply(
            lambda environment: worker_containers(
                image=args.release.image,
                command=args.worker_command,
                environment=environment,
                logs=args.logs.tracks["stable"],
                region=args.names.region,
                memory=args.fargate.memory,
                health_command=args.health_command,
            )
        )
        made = self._task("worker", containers)
        placed = ServiceArgs(
            name="worker",
            cluster=self._cluster.arn,
            task=made.arn,
            tasks=args.fargate.worker_tasks,
            subnets=args.network.subnet_ids["app"],
            security_group=args.network.app.id,
        )
        return made, service("worker", placed, after)

    def _task(self, part: str, containers: pulumi.Output[list[dict[str, Any]]]) -> aws.ecs.TaskDefinition:
        roles = {"execution_role": self._execution.arn, "task_role": self._args.task_role}
        made = TaskArgs.of(self._args.fargate, f"{self._args.names.prefix}-{part}", containers, **roles)
        return task_definition(part, made, self._child)
