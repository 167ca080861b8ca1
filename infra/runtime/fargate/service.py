"""A service on ECS: tasks kept running over the zones, replaced without a gap, put back when they do not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.runtime.fargate.task import EDGE_PORT
from outputs.slots import Scaling

GRACE_SECONDS = 90


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """`tasks` is how many there are, where they are `scaled` at first; `target_group`, an ARN, is where they are
    registered, if anywhere. `alarms` are the names of alarms that end a deployment."""

    name: str
    cluster: pulumi.Input[str]
    task: pulumi.Input[str]
    tasks: pulumi.Input[int]
    subnets: pulumi.Input[Sequence[pulumi.Input[str]]]
    security_group: pulumi.Input[str]
    target_group: pulumi.Input[str] | None = None
    alarms: Sequence[pulumi.Input[str]] = ()
    scaled: bool = False


def service(name: str, args: ServiceArgs, opts: pulumi.ResourceOptions) -> aws.ecs.Service:
    """Declares the service. A deployment that does not get healthy, or sets off an alarm, is rolled back by ECS."""
    balanced = args.target_group is not None
    return aws.ecs.Service(
        name,
        name=args.name,
        cluster=args.cluster,
        task_definition=args.task,
        desired_count=args.tasks,
        launch_type="FARGATE",
        platform_version="LATEST",
        enable_execute_command=False,
        enable_ecs_managed_tags=True,
        propagate_tags="SERVICE",
        availability_zone_rebalancing="ENABLED",
        deployment_minimum_healthy_percent=100,
        deployment_maximum_percent=200,
        deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(enable=True, rollback=True),
        alarms=aws.ecs.ServiceAlarmsArgs(alarm_names=list(args.alarms), enable=True, rollback=True)
        if args.alarms
        else None,
        health_check_grace_period_seconds=GRACE_SECONDS if balanced else None,
        wait_for_steady_state=True,
        network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
            subnets=args.subnets, security_groups=[args.security_group], assign_public_ip=False
        ),
        load_balancers=[
            aws.ecs.ServiceLoadBalancerArgs(
                target_group_arn=args.target_group, container_name="edge", container_port=EDGE_PORT
            )
        ]
        if balanced
        else None,
        opts=pulumi.ResourceOptions.merge(
            opts, pulumi.ResourceOptions(ignore_changes=["desiredCount"] if args.scaled else [])
        ),
    )


@dataclass(frozen=True, kw_only=True)
class ScalingArgs:
    """`resource` is service/CLUSTER/SERVICE; `label` names balancer and target group for requests per target."""

    resource: pulumi.Input[str]
    label: pulumi.Input[str]
    least: pulumi.Input[int]
    most: pulumi.Input[int]

    @classmethod
    def of(cls, track: Scaling, resource: pulumi.Input[str]) -> ScalingArgs:
        return cls(resource=resource, label=track.label, least=track.least, most=track.most)


CPU_PERCENT, REQUESTS_PER_TARGET = 60, 1000
"""What a task carries on average before another is added: percent of its CPU, requests a minute."""


def scaling(name: str, args: ScalingArgs, opts: pulumi.ResourceOptions) -> None:
    """Declares how many tasks there are: between the least and the most, by CPU and by requests. That no task is taken
    away while a rollout needs it is run-time state: cutover sets it, and no `up` puts it back."""
    target = aws.appautoscaling.Target(
        name,
        service_namespace="ecs",
        scalable_dimension="ecs:service:DesiredCount",
        resource_id=args.resource,
        min_capacity=args.least,
        max_capacity=args.most,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["suspendedState"])),
    )
    metrics = {
        "cpu": ("ECSServiceAverageCPUUtilization", CPU_PERCENT, None),
        "requests": ("ALBRequestCountPerTarget", REQUESTS_PER_TARGET, args.label),
    }
    for part, (metric, value, label) in metrics.items():
        aws.appautoscaling.Policy(
            f"{name}-{part}",
            name=f"{name}-{part}",
            policy_type="TargetTrackingScaling",
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            target_tracking_scaling_policy_configuration=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs(
                target_value=value,
                scale_in_cooldown=300,
                scale_out_cooldown=60,
                predefined_metric_specification=aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs(
                    predefined_metric_type=metric, resource_label=label
                ),
            ),
            opts=opts,
        )
