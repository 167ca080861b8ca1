"""What runs of a release: each process of it, on Docker or on ECS, and the image that it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cutover import aws
from cutover.smoke.probe import CheckFailedError
from outputs.smoke import DockerProcesses, FargateProcesses, SmokeTarget

SECONDS = 5
AT_ONCE = 100
"""Tasks that ECS describes in one call."""
START_SECONDS, PAUSE_SECONDS = 60, 5
"""How long a task may take to start, as one that autoscaling adds or that replaces another, and between two looks."""


class NotStartedError(CheckFailedError):
    """A task does not run yet, or no longer and is to be followed by another."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """One process: `part` is app or worker, `image` a digest, or on Docker an image id. `wrong` says in a clause what
    keeps it from running as it should."""

    part: str
    name: str
    image: str
    wrong: str | None = None

    def not_running(self, image: str) -> str | None:
        """A clause where it does not run the image, as it should."""
        intended = image.rpartition("@")[2]
        if self.wrong:
            return f"{self.part} {self.name} {self.wrong}"
        if self.image != intended:
            return f"{self.part} {self.name} runs image {self.image or 'unknown'}, not {intended}"
        return None


def processes(target: SmokeTarget, sleep: Callable[[float], None]) -> list[Process]:
    """All processes of the release; a task that starts is waited for. Raises CheckFailedError where one is missing or
    nobody can say what runs."""
    if isinstance(target.processes, DockerProcesses):
        return on_docker(target.processes)
    ecs = aws.client("ecs", target.places)
    waited = 0
    while True:
        try:
            return on_fargate(target.processes, ecs)
        except NotStartedError as error:
            if waited >= START_SECONDS:
                raise CheckFailedError(f"{error} after {waited} s") from None
        sleep(PAUSE_SECONDS)
        waited += PAUSE_SECONDS


def on_docker(release: DockerProcesses) -> list[Process]:
    """The release's containers."""
    import docker
    from docker.errors import DockerException, NotFound

    found = []
    try:
        client = docker.DockerClient(base_url="unix:///var/run/docker.sock", timeout=SECONDS)
        try:
            for part, name in _parts(release):
                try:
                    container = client.containers.get(name)
                except NotFound:
                    raise CheckFailedError(f"there is no container {name}, the {part}") from None
                state = container.attrs["State"]
                runs = state["Running"] and not state["Restarting"] and not state["Paused"]
                health = (state.get("Health") or {}).get("Status")
                wrong = f"is {state['Status']}" if not runs else f"is {health}" if health == "unhealthy" else None
                found.append(Process(part=part, name=name, image=container.attrs["Image"], wrong=wrong))
        finally:
            client.close()
    except DockerException as error:
        raise CheckFailedError(f"Docker does not say what runs ({error})") from None
    return found


def on_fargate(release: FargateProcesses, ecs: Any) -> list[Process]:
    """The tasks of the release's services, which must have the declared definitions and no deployment under way.
    Raises NotStartedError where not all of them run."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return [
            each
            for (part, name), declared in zip(
                _parts(release), (release.app_definition, release.worker_definition), strict=True
            )
            for each in _tasks(part, name, declared, release.cluster, ecs)
        ]
    except (BotoCoreError, ClientError) as error:
        raise CheckFailedError(f"ECS does not say what runs ({error})") from None


def _tasks(part: str, name: str, declared: str, cluster: str, ecs: Any) -> Iterator[Process]:
    services = ecs.describe_services(cluster=cluster, services=[name])["services"]
    if not services:
        raise CheckFailedError(f"there is no service {name}, the {part}")
    (service,) = services
    deployments = service["deployments"]
    if len(deployments) != 1 or deployments[0].get("rolloutState") != "COMPLETED":
        states = ", ".join(f"{each['status']} {each.get('rolloutState')}" for each in deployments)
        raise CheckFailedError(f"service {name} has a deployment under way ({states})")
    if service["taskDefinition"] != declared:
        raise CheckFailedError(
            f"service {name} has {_last(service['taskDefinition'])}, and {_last(declared)} was declared: ECS has put "
            f"it back ({_why(service, declared, cluster, ecs)}); mend that and bring up another release, or this one "
            "again with --refresh"
        )
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster, serviceName=name, desiredStatus="RUNNING")
    arns = [arn for page in pages for arn in page["taskArns"]]
    if not arns:
        raise NotStartedError(f"service {name} runs no task")
    for first in range(0, len(arns), AT_ONCE):
        for task in ecs.describe_tasks(cluster=cluster, tasks=arns[first : first + AT_ONCE])["tasks"]:
            if task["lastStatus"] != "RUNNING":  # ECS lists it by what is desired of it
                raise NotStartedError(f"{part} {name} {_last(task['taskArn'])} is {task['lastStatus']}")
            images = {each["name"]: each.get("imageDigest", "") for each in task["containers"]}
            wrong = None
            if task["taskDefinitionArn"] != declared:
                wrong = f"runs {_last(task['taskDefinitionArn'])}, the service has {_last(declared)}"
            yield Process(part=part, name=f"{name} {_last(task['taskArn'])}", image=images.get(part, ""), wrong=wrong)


def _why(service: Mapping[str, Any], declared: str, cluster: str, ecs: Any) -> str:
    """What ECS says of the last task of the definition that ended, else of the deployment that failed."""
    arns = ecs.list_tasks(cluster=cluster, serviceName=service["serviceName"], desiredStatus="STOPPED")["taskArns"]
    tasks = ecs.describe_tasks(cluster=cluster, tasks=arns[:AT_ONCE])["tasks"] if arns else []
    ended = [task for task in tasks if task["taskDefinitionArn"] == declared and "stoppedAt" in task]
    if ended:
        last = max(ended, key=lambda task: task["stoppedAt"])
        said = [f"{each['name']}: {each['reason']}" for each in last["containers"] if each.get("reason")]
        return "; ".join([last.get("stoppedReason", "a task ended"), *said])
    failed = [event["message"] for event in service.get("events", ()) if "failed" in event["message"]]
    return failed[0] if failed else "it says no more why"


def _parts(release: DockerProcesses | FargateProcesses) -> list[tuple[str, str]]:
    return [("app", release.app), ("worker", release.worker)]


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
