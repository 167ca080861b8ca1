"""Who watches a rollout on AWS: a tick each minute, in a task of its own, the alarm on its silence, and on a hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.alarm import Alarm, Metric, declare
from infra.naming import Names
from infra.network import Network
from infra.runtime.fargate.roles import TASKS, ExecutionRole, service_role
from infra.runtime.fargate.task import TaskArgs, task_definition, watch_containers
from infra.runtime.fargate.watch_rights import schedule_permissions, watch_permissions
from infra.settings.keys import Settings
from infra.settings.problems import SettingsError

SECONDS = 60
LIMIT_SECONDS = 50
"""After it a tick is ended, so that one that hangs is over before the next but one begins."""
CPU, MEMORY_MIB = "256", 512
"""The least that Fargate has."""
TICKS, WEIGHT, HELD = "RolloutTicks", "RolloutWeight", "RolloutHeld"
COUNTED = {
    TICKS: ("{ $.ticked IS TRUE }", "1"),
    WEIGHT: ("{ $.routes.weight >= 0 }", "$.routes.weight"),
    HELD: ("{ $.held IS TRUE }", "1"),
}
"""What is taken out of the line that a tick ends with (`cutover/rollout/scheduled.py`): metric → pattern, value."""
USERS = "EdgeRequests-candidate"
"""The users whom the candidate answers, as `metrics.py` counts them."""
SILENT_MINUTES, USED_MINUTES = 3, 15
HELD_MINUTES, AMONG = 5, 6
"""Of six minutes one may be without a tick."""


def watch_alarms(namespace: str) -> Iterator[Alarm]:
    """Both halves of the dead man's alarm. Neither tells anybody: without a rollout nobody is woken for a tick, and
    that a candidate has users is no fault."""
    yield Alarm(
        name="no-ticks",
        says=f"for {SILENT_MINUTES} minutes no tick has come to its end",
        of=Metric(namespace=namespace, name=TICKS, statistic="Sum"),
        beyond="LessThanThreshold",
        threshold=1,
        periods=SILENT_MINUTES,
        missing="breaching",
        quiet=True,
    )
    yield Alarm(
        name="candidate-used",
        says=f"within {USED_MINUTES} minutes the candidate has answered users",
        of=Metric(namespace=namespace, name=USERS, statistic="Sum"),
        beyond="GreaterThanThreshold",
        threshold=0,
        periods=USED_MINUTES,
        enough=1,
        missing="notBreaching",
        quiet=True,
    )


def held_alarm(namespace: str) -> Alarm:
    """The alarm on users whom a hold keeps at the candidate."""
    return Alarm(
        name="rollout-held",
        says=f"for {HELD_MINUTES} minutes a rollout is held while the candidate has users, and nobody has decided: "
        "cutover status has the reason",
        of=Metric(namespace=namespace, name=HELD, statistic="Sum"),
        beyond="GreaterThanOrEqualToThreshold",
        threshold=1,
        periods=AMONG,
        enough=HELD_MINUTES,
        missing="notBreaching",
    )


@dataclass(frozen=True, kw_only=True)
class WatchArgs:
    """`image` is cutover's, `records` the bucket of the rollout's record; ticks write their lines into `log_group`;
    alarms tell `topic`, an ARN."""

    names: Names
    network: Network
    image: str
    architecture: str
    records: str
    log_group: str
    topic: pulumi.Input[str]

    @classmethod
    def of(
        cls, settings: Settings, names: Names, network: Network, log_group: str, topic: pulumi.Input[str]
    ) -> WatchArgs:
        """Raises SettingsError where no image is named."""
        if settings.rollout.watch_image is None:
            raise SettingsError("rollout.watchImage is not set: on fargate cutover ticks; name its image by digest")
        return cls(
            names=names,
            network=network,
            image=settings.rollout.watch_image,
            architecture=settings.fargate.architecture,
            records=names.bucket("records"),
            log_group=log_group,
            topic=topic,
        )


class Watch(pulumi.ComponentResource):
    """A schedule that runs `cutover tick` each minute on Fargate, at least once: two at a time do no harm, for each
    write of a tick is on a condition. It knows the rollout from the records bucket alone, and needs no Pulumi.

    Its cluster is its own: Container Insights, which the service's has, would charge the metrics of every task.
    """

    def __init__(
        self, name: str, args: WatchArgs, execution: ExecutionRole, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("web-next:fargate:Watch", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._called = f"{args.names.prefix}-watch"
        self._schedule(self._task(execution), execution)
        self._alarms()
        self.register_outputs({})

    def _task(self, execution: ExecutionRole) -> aws.ecs.TaskDefinition:
        args = self._args
        task_role = service_role(
            self._name,
            self._called,
            service=TASKS,
            names=args.names,
            statements=watch_permissions(args.names),
            opts=self._child,
        )
        tick = ["python3", "-m", "cutover", "tick", "-s", args.names.stack, "--records", args.records]
        containers = watch_containers(
            image=args.image,
            command=["timeout", str(LIMIT_SECONDS), *tick],
            environment={},
            log_group=args.log_group,
            region=args.names.region,
            memory=MEMORY_MIB,
        )
        definition = TaskArgs(
            family=self._called,
            containers=pulumi.Output.json_dumps(containers),
            execution_role=execution.arn,
            task_role=task_role,
            cpu=CPU,
            memory=MEMORY_MIB,
            architecture=args.architecture,
        )
        return task_definition(self._name, definition, self._child)

    def _schedule(self, task: aws.ecs.TaskDefinition, execution: ExecutionRole) -> None:
        args, name = self._args, self._name
        cluster = aws.ecs.Cluster(
            name,
            name=self._called,
            settings=[aws.ecs.ClusterSettingArgs(name="containerInsights", value="disabled")],
            opts=self._child,
        )
        group = args.network.group("watch", "web-next: what watches a rollout")
        args.network.allow_https("watch", group)
        starts = service_role(
            f"{name}-schedule",
            f"{self._called}-schedule",
            service="scheduler.amazonaws.com",
            names=args.names,
            statements=schedule_permissions(args.names, self._called, self._called, [self._called, execution.called]),
            opts=self._child,
        )
        aws.scheduler.Schedule(
            name,
            name=self._called,
            description="web-next: a tick of the rollout, each minute",
            schedule_expression="rate(1 minute)",
            flexible_time_window=aws.scheduler.ScheduleFlexibleTimeWindowArgs(mode="OFF"),
            target=aws.scheduler.ScheduleTargetArgs(
                arn=cluster.arn,
                role_arn=starts,
                ecs_parameters=aws.scheduler.ScheduleTargetEcsParametersArgs(
                    task_definition_arn=task.arn,
                    launch_type="FARGATE",
                    network_configuration=aws.scheduler.ScheduleTargetEcsParametersNetworkConfigurationArgs(
                        subnets=args.network.subnet_ids["app"], security_groups=[group.id], assign_public_ip=False
                    ),
                ),
                # Who comes too late is not waited for: the next tick does all that this one would have done.
                retry_policy=aws.scheduler.ScheduleTargetRetryPolicyArgs(
                    maximum_event_age_in_seconds=SECONDS, maximum_retry_attempts=0
                ),
            ),
            opts=self._child,
        )

    def _alarms(self) -> None:
        """Silence while the candidate has users is an alarm, and without users none; so is a hold that lasts."""
        args, name = self._args, self._name
        for metric, (pattern, value) in COUNTED.items():
            aws.cloudwatch.LogMetricFilter(
                f"{name}-{metric}",
                name=f"{args.names.prefix}-{metric}",
                log_group_name=args.log_group,
                pattern=pattern,
                metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
                    name=metric, namespace=args.names.metrics, value=value
                ),
                opts=self._child,
            )
        halves = [
            declare(name, args.names.prefix, args.topic, alarm, self._child)
            for alarm in watch_alarms(args.names.metrics)
        ]
        declare(name, args.names.prefix, args.topic, held_alarm(args.names.metrics), self._child)
        named = pulumi.Output.all(*(half.name for half in halves))
        aws.cloudwatch.CompositeAlarm(
            name,
            alarm_name=f"{args.names.prefix}-rollout-unwatched",
            alarm_description=f"the candidate has users, and for {SILENT_MINUTES} minutes no tick has come to its end: "
            "no gate takes it back; cutover status and cutover tick by hand, docs/runbook.md",
            alarm_rule=named.apply(lambda names: " AND ".join(f'ALARM("{each}")' for each in names)),
            alarm_actions=[args.topic],
            ok_actions=[args.topic],
            opts=self._child,
        )
