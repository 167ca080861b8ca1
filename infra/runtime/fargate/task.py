"""What a task runs: nginx beside the app, or the worker alone; and the definition that ECS keeps of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.nginx import TMP_MIB, EdgeConfig, render
from infra.release import PORT
from infra.settings.sections import FargateSettings
from outputs.slots import TrackLogs

EDGE_PORT = 8080
STOP_SECONDS = 30
"""Longer than the app's grace; shorter than two minutes, Fargate's most."""
_HEALTHY = "import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/healthz', timeout=2)"
_EDGE = """read -r random </proc/sys/kernel/random/uuid
echo "instance ${random%%-*};" >/tmp/instance.map
printf '%s' "$EDGE_CONFIG" >/tmp/nginx.conf && exec nginx -c /tmp/nginx.conf -g 'daemon off;'"""
"""nginx under an id of the task's own."""


def app_containers(
    *,
    image: str,
    edge_image: str,
    edge: EdgeConfig,
    environment: Mapping[str, str],
    logs: TrackLogs,
    region: str,
    memory: int,
    health_command: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The app, and nginx before it, which starts when the app is healthy. The task's other port is nobody's.

    `memory`, the task's in MiB, is divided: an app that leaks ends by its own limit, and knows the limit before.
    """
    app = _container("app", image, environment, logs.app, region, memory - edge.memory)
    app["portMappings"] = [{"containerPort": PORT, "protocol": "tcp"}]
    app["healthCheck"] = _health(health_command)
    nginx = _container("edge", edge_image, {"EDGE_CONFIG": render(edge)}, logs.edge, region, edge.memory)
    nginx |= {
        "entryPoint": ["sh", "-c"],
        "command": [_EDGE],
        "user": "www-data",
        "portMappings": [{"containerPort": edge.listen, "protocol": "tcp"}],
        "dependsOn": [{"containerName": "app", "condition": "HEALTHY"}],
    }
    return [app, nginx]


def worker_containers(
    *,
    image: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    logs: TrackLogs,
    region: str,
    memory: int,
    health_command: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The alert worker, with all of the task's `memory`, in MiB."""
    worker = _container("worker", image, environment, logs.worker, region, memory)
    return [{**worker, "command": list(command), "healthCheck": _health(health_command)}]


def watch_containers(
    *, image: str, command: Sequence[str], environment: Mapping[str, str], log_group: str, region: str, memory: int
) -> list[dict[str, Any]]:
    """A command of cutover that runs to its end, with all of the task's `memory`, in MiB."""
    return [{**_container("watch", image, environment, log_group, region, memory), "command": list(command)}]


def _container(
    name: str, image: str, environment: Mapping[str, str], log_group: str, region: str, memory: int
) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "essential": True,
        "memory": memory,
        "environment": [
            {"name": key, "value": value} for key, value in sorted({"AWS_REGION": region, **environment}.items())
        ],
        "readonlyRootFilesystem": True,
        "linuxParameters": {
            "capabilities": {"drop": ["ALL"]},
            "tmpfs": [{"containerPath": "/tmp", "size": TMP_MIB, "mountOptions": ["mode=1777"]}],  # noqa: S108
        },
        "ulimits": [{"name": "nofile", "softLimit": 65536, "hardLimit": 65536}],
        "stopTimeout": STOP_SECONDS,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": name,
                "mode": "non-blocking",
                "max-buffer-size": "4m",
            },
        },
    }


def _health(command: Sequence[str]) -> dict[str, Any]:
    asked = command or ("python3", "-ISc", _HEALTHY.format(port=PORT))
    return {"command": ["CMD", *asked], "interval": 10, "timeout": 5, "retries": 3, "startPeriod": 60}


@dataclass(frozen=True, kw_only=True)
class TaskArgs:
    """`family` names the definition; `containers` is its JSON; the roles are ARNs."""

    family: str
    containers: pulumi.Input[str]
    execution_role: pulumi.Input[str]
    task_role: pulumi.Input[str]
    cpu: str
    memory: int
    architecture: str

    @classmethod
    def of(
        cls,
        fargate: FargateSettings,
        family: str,
        containers: pulumi.Output[list[dict[str, Any]]],
        *,
        execution_role: pulumi.Input[str],
        task_role: pulumi.Input[str],
    ) -> TaskArgs:
        return cls(
            family=family,
            containers=containers.apply(json.dumps),
            execution_role=execution_role,
            task_role=task_role,
            cpu=fargate.cpu,
            memory=fargate.memory,
            architecture=fargate.architecture,
        )


def task_definition(name: str, args: TaskArgs, opts: pulumi.ResourceOptions) -> aws.ecs.TaskDefinition:
    """Declares the definition. Revisions before it stay registered: a rollback starts tasks of them."""
    return aws.ecs.TaskDefinition(
        name,
        family=args.family,
        container_definitions=args.containers,
        execution_role_arn=args.execution_role,
        task_role_arn=args.task_role,
        cpu=args.cpu,
        memory=str(args.memory),
        network_mode="awsvpc",
        requires_compatibilities=["FARGATE"],
        runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
            operating_system_family="LINUX", cpu_architecture=args.architecture
        ),
        skip_destroy=True,
        opts=opts,
    )
