"""The tasks of both tracks on ECS: whether autoscaling may take any away, and that each has as many as the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cutover import aws
from cutover.errors import RefusedError, UnreachableError
from cutover.rollout.record import Record, State
from outputs.release import Track
from outputs.smoke import FargateProcesses

AS_MANY = (State.STAGED, State.PRODUCTION, State.FINISHED)
"""Before these a track has as many tasks as the other: from then on it may get all of the traffic."""
STARTING_SECONDS, APART = 300.0, 5.0
"""How long its tasks may take to run and to be healthy, and the time between two looks."""
_DIMENSION = "ecs:service:DesiredCount"
_NAMED: Mapping[Track, str] = {"stable": "stable", "candidate": "the candidate"}
_OTHER: Mapping[Track, Track] = {"stable": "candidate", "candidate": "stable"}


def keep_tasks(record: Record) -> None:
    """Has autoscaling take no task away, of either track, where the record keeps them, and asks for as many of stable
    as the candidate runs, which no traffic asks for; else lets it. A machine's containers are not scaled. Raises
    UnreachableError."""
    releases = record.releases.candidate, record.releases.stable
    for each in (one.processes for one in releases):
        if isinstance(each, FargateProcesses):
            client = aws.client("application-autoscaling", record.targets.places, aws.HURRIED)
            with _reached("autoscaling", UnreachableError):
                _suspend(client, _name(each), record.keeps_tasks)
    if record.keeps_tasks and isinstance(record.releases.stable.processes, FargateProcesses):
        try:
            _tasks(record, aws.HURRIED).ask("stable")
        except RefusedError as error:
            raise UnreachableError(str(error)) from None


def _suspend(client: Any, service: str, suspended: bool) -> None:
    """Suspends that a service loses tasks, or lets it; what is so already is left alone."""
    about = {"ServiceNamespace": "ecs", "ScalableDimension": _DIMENSION}
    targets = client.describe_scalable_targets(ResourceIds=[service], **about)["ScalableTargets"]
    for target in targets:  # a track without autoscaling has none
        if (target.get("SuspendedState") or {}).get("DynamicScalingInSuspended", False) is not suspended:
            state = {"DynamicScalingInSuspended": suspended}
            client.register_scalable_target(ResourceId=service, SuspendedState=state, **about)


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """Those of a rollout on AWS, through clients of ECS and of the load balancer."""

    record: Record
    ecs: Any = field(repr=False)
    elb: Any = field(repr=False)
    sleep: Callable[[float], None] = time.sleep

    def require_ready(self, to: State) -> None:
        """The candidate, or before `finished` stable, has all of its tasks healthy, and before `AS_MANY` as many as the
        other: they are asked for, and waited for. The candidate runs what was declared. Raises RefusedError by name."""
        track: Track = "stable" if to is State.FINISHED else "candidate"
        own = self._processes(track)
        wrong = self._other_definition() if track == "candidate" else None
        if wrong is None:
            if to in AS_MANY:
                self.ask(track)
            until = STARTING_SECONDS
            while (wrong := self._short(track, to)) and until > 0:
                self.sleep(APART)
                until -= APART
        if wrong := wrong or (self._other_image() if track == "candidate" else None):
            raise RefusedError(
                f"{_NAMED[track]} is not ready for {to}: {wrong}; look why, aws ecs describe-services --cluster "
                f"{_last(own.cluster)} --services {own.app}, then type the verb again"
            )

    def ask(self, track: Track) -> None:
        """Asks for as many tasks of a track as the other runs, where it has fewer; never for fewer than it has. Raises
        RefusedError."""
        own, wanted = self._processes(track), self._service(_OTHER[track])["runningCount"]
        if self._service(track)["desiredCount"] < wanted:
            with _reached("ECS", RefusedError):
                self.ecs.update_service(cluster=own.cluster, service=own.app, desiredCount=wanted)

    def _processes(self, track: Track) -> FargateProcesses:
        processes = getattr(self.record.releases, track).processes
        assert isinstance(processes, FargateProcesses)
        return processes

    def _other_definition(self) -> str | None:
        """What the candidate's service runs, where ECS has put it back or somebody has changed it."""
        runs, declared = self._service("candidate")["taskDefinition"], self._processes("candidate").app_definition
        return None if runs == declared else f"it runs {_last(runs)}, and {_last(declared)} was declared"

    def _short(self, track: Track, to: State) -> str | None:
        """What a track has too little of for a state: running tasks, and healthy ones."""
        runs, other = self._service(track)["runningCount"], _OTHER[track]
        wanted = self._service(other)["runningCount"] if to in AS_MANY else 1
        if runs < wanted:
            least = f"{_NAMED[other]} has {wanted}" if to in AS_MANY else "one is the least"
            return f"it has {runs} running tasks, and {least}"
        return self._unhealthy(track, runs)

    def _service(self, track: Track) -> Mapping[str, Any]:
        """The track's app, as ECS describes it."""
        own = self._processes(track)
        with _reached("ECS", RefusedError):
            found: list[Mapping[str, Any]] = self.ecs.describe_services(cluster=own.cluster, services=[own.app])[
                "services"
            ]
        if not found:
            raise RefusedError(f"there is no service {own.app} in {_last(own.cluster)}: bring its stack up")
        return found[0]

    def _other_image(self) -> str | None:
        """Which task of the candidate's app runs another image, or another definition, than was declared."""
        own, asked = self._processes("candidate"), self.record.releases.candidate.image.rpartition("@")[2]
        with _reached("ECS", RefusedError):
            pages = self.ecs.get_paginator("list_tasks").paginate(cluster=own.cluster, serviceName=own.app)
            arns = [arn for page in pages for arn in page["taskArns"]]
            tasks = [
                task
                for first in range(0, len(arns), 100)
                for task in self.ecs.describe_tasks(cluster=own.cluster, tasks=arns[first : first + 100])["tasks"]
            ]
        for task in tasks:
            images = {each["name"]: each.get("imageDigest") for each in task["containers"]}
            if task["taskDefinitionArn"] != own.app_definition:
                return f"task {_last(task['taskArn'])} is of {_last(task['taskDefinitionArn'])}"
            if task["lastStatus"] == "RUNNING" and images.get("app") != asked:
                return f"task {_last(task['taskArn'])} runs image {images.get('app') or 'unknown'}, not {asked}"
        return None

    def _unhealthy(self, track: Track, runs: int) -> str | None:
        """What the load balancer has against the track's targets."""
        group = getattr(self.record.targets.traffic, track)
        with _reached("the load balancer", RefusedError):
            found = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        states = [each["TargetHealth"]["State"] for each in found]
        others = [state for state in states if state not in ("healthy", "draining")]
        healthy = states.count("healthy")
        if others or healthy < runs:
            return f"{healthy} of its {runs} running tasks are healthy behind the load balancer" + (
                f", others are {', '.join(sorted(set(others)))}" if others else ""
            )
        return None


def require_ready(record: Record, to: State) -> None:
    """As `Tasks.require_ready`; on a machine a track has one container, which `up` has waited for."""
    if isinstance(record.releases.candidate.processes, FargateProcesses):
        _tasks(record, aws.PATIENT).require_ready(to)


def _tasks(record: Record, patience: aws.Patience) -> Tasks:
    ecs, elb = (aws.client(service, record.targets.places, patience) for service in ("ecs", "elbv2"))
    return Tasks(record=record, ecs=ecs, elb=elb)


@contextmanager
def _reached(what: str, kind: type[RefusedError] | type[UnreachableError]) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise kind(f"{what} does not say what runs, or do what is asked ({error}); try again") from None


def _name(processes: FargateProcesses) -> str:
    """What autoscaling calls the service of the app."""
    return f"service/{_last(processes.cluster)}/{processes.app}"


def _last(arn: str) -> str:
    return arn.rpartition("/")[2]
