"""The tasks of both tracks on ECS: whether autoscaling may take any away, and how many the candidate has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cutover import aws
from cutover.errors import RefusedError, UnreachableError
from cutover.rollout.record import Record, State
from outputs.smoke import FargateProcesses

AS_MANY = (State.STAGED, State.PRODUCTION)
"""Before these the candidate has as many tasks as stable: from then on it may get all of the traffic."""
STARTING_SECONDS, APART = 300.0, 5.0
"""How long its tasks may take to run and to be healthy, and the time between two looks."""
_DIMENSION = "ecs:service:DesiredCount"


def keep_tasks(record: Record) -> None:
    """Has autoscaling take no task away, of either track, where the record keeps them; else lets it. A machine's
    containers are not scaled. Raises UnreachableError."""
    releases = record.releases.candidate, record.releases.stable
    for each in (one.processes for one in releases):
        if isinstance(each, FargateProcesses):
            client = aws.client("application-autoscaling", record.targets.places, aws.HURRIED)
            with _reached("autoscaling", UnreachableError):
                _suspend(client, _name(each), record.keeps_tasks)


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
        """The candidate runs what was asked, all of it healthy, and before `AS_MANY` as many tasks as stable has: they
        are asked for, and waited for. Raises RefusedError by name."""
        wrong = self._other_definition()
        if wrong is None:
            if to in AS_MANY:
                self._raise()
            until = STARTING_SECONDS
            while (wrong := self._short(to)) and until > 0:
                self.sleep(APART)
                until -= APART
        if wrong := wrong or self._other_image():
            raise RefusedError(
                f"the candidate is not ready for {to}: {wrong}; look why, aws ecs describe-services --cluster "
                f"{_last(self._candidate.cluster)} --services {self._candidate.app}, then type the verb again"
            )

    @property
    def _candidate(self) -> FargateProcesses:
        processes = self.record.releases.candidate.processes
        assert isinstance(processes, FargateProcesses)
        return processes

    def _raise(self) -> None:
        """Asks for as many tasks of the candidate as stable runs, where it has fewer; never for fewer than it has."""
        stable, candidate = self._services()
        if candidate["desiredCount"] < stable["runningCount"]:
            with _reached("ECS", RefusedError):
                self.ecs.update_service(
                    cluster=self._candidate.cluster, service=self._candidate.app, desiredCount=stable["runningCount"]
                )

    def _other_definition(self) -> str | None:
        """What the candidate's service runs, where ECS has put it back or somebody has changed it."""
        _, candidate = self._services()
        runs, declared = candidate["taskDefinition"], self._candidate.app_definition
        return None if runs == declared else f"it runs {_last(runs)}, and {_last(declared)} was declared"

    def _short(self, to: State) -> str | None:
        """What the candidate has too little of for a state: running tasks, and healthy ones."""
        stable, candidate = self._services()
        runs, wanted = candidate["runningCount"], stable["runningCount"] if to in AS_MANY else 1
        if runs < wanted:
            return f"it has {runs} running tasks, and {f'stable has {wanted}' if to in AS_MANY else 'one is the least'}"
        return self._unhealthy(runs)

    def _services(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Stable's app and the candidate's, as ECS describes them."""
        stable = self.record.releases.stable.processes
        assert isinstance(stable, FargateProcesses)
        with _reached("ECS", RefusedError):
            found = {}
            for each in (stable, self._candidate):
                answer = self.ecs.describe_services(cluster=each.cluster, services=[each.app])["services"]
                if not answer:
                    raise RefusedError(f"there is no service {each.app} in {_last(each.cluster)}: bring its stack up")
                found[each.app] = answer[0]
        return found[stable.app], found[self._candidate.app]

    def _other_image(self) -> str | None:
        """Which task of the candidate's app runs another image, or another definition, than was declared."""
        own, asked = self._candidate, self.record.releases.candidate.image.rpartition("@")[2]
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

    def _unhealthy(self, runs: int) -> str | None:
        """What the load balancer has against the candidate's targets."""
        group = self.record.targets.traffic.candidate  # type: ignore[union-attr]
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
    """As `Tasks.require_ready`; a machine's candidate has one container, which `up` has waited for."""
    if not isinstance(record.releases.candidate.processes, FargateProcesses):
        return
    places = record.targets.places
    Tasks(record=record, ecs=aws.client("ecs", places), elb=aws.client("elbv2", places)).require_ready(to)


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
