"""Tasks and services on ECS."""

from __future__ import annotations

from collections.abc import Iterator

from policy.resources import Resource, Stack
from policy.rule import rule

SERVICE, TASK, CLUSTER = (
    "aws:ecs/service:Service",
    "aws:ecs/taskDefinition:TaskDefinition",
    "aws:ecs/cluster:Cluster",
)


@rule(
    "ecs-private",
    SERVICE,
    severity="high",
    covers=["FSBP ECS.2"],
    todo="set assign_public_ip and enable_execute_command to False: the balancer is the way in",
)
def private(service: Resource, _stack: Stack) -> Iterator[str]:
    """A task has no address on the internet, and nobody opens a shell in it under the app's role"""
    if service.get("networkConfiguration.assignPublicIp"):
        yield "assignPublicIp true"
    if service.get("enableExecuteCommand"):
        yield "enableExecuteCommand true"


@rule(
    "ecs-rolls-back",
    SERVICE,
    severity="high",
    todo="enable the circuit breaker and alarms with rollback, and keep all tasks while new ones start",
)
def rolls_back(service: Resource, _stack: Stack) -> Iterator[str]:
    """A deployment that does not get healthy is taken back by ECS, and nobody misses a task while it runs"""
    for setting in ("enable", "rollback"):
        if service.get(f"deploymentCircuitBreaker.{setting}") is not True:
            yield f"deploymentCircuitBreaker.{setting} not true"
        if service.inputs.get("loadBalancers") and service.get(f"alarms.{setting}") is not True:
            yield f"alarms.{setting} not true, and it answers requests"
    if (percent := service.get("deploymentMinimumHealthyPercent")) is not None and percent < 100:
        yield f"deploymentMinimumHealthyPercent {percent:g}"


@rule(
    "ecs-current-platform",
    SERVICE,
    severity="medium",
    covers=["FSBP ECS.10"],
    todo="set platform_version to LATEST",
)
def current_platform(service: Resource, _stack: Stack) -> Iterator[str]:
    """A service starts its tasks on Fargate's newest platform, which has its latest fixes"""
    if (version := service.get("platformVersion")) not in (None, "LATEST"):
        yield f"platformVersion {version}"


@rule(
    "ecs-own-namespaces",
    TASK,
    severity="high",
    covers=["FSBP ECS.1", "FSBP ECS.3", "AWS ECS.17"],
    todo="set network_mode to awsvpc, and leave pid_mode and ipc_mode away",
)
def own_namespaces(task: Resource, _stack: Stack) -> Iterator[str]:
    """A task shares network, processes and memory with nobody"""
    if (mode := task.get("networkMode")) != "awsvpc":
        yield f"networkMode {mode}"
    for setting in ("pidMode", "ipcMode"):
        if task.get(setting) not in (None, "none", "task"):
            yield f"{setting} {task.get(setting)}"


@rule(
    "ecs-measured",
    CLUSTER,
    severity="medium",
    covers=["FSBP ECS.12"],
    todo="set containerInsights to enabled or enhanced: alarms on missing tasks read it",
)
def measured(cluster: Resource, stack: Stack) -> Iterator[str]:
    """A cluster of services counts its tasks"""
    if not stack.about(SERVICE, "cluster", cluster):
        return
    settings = {one["name"]: one["value"] for one in cluster.all("settings")}
    if settings.get("containerInsights") not in ("enabled", "enhanced"):
        yield f"containerInsights {settings.get('containerInsights')}"
