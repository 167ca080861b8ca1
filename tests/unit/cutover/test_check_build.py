"""The build check: what answers and what runs is the release that was deployed, on Docker and on ECS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import boto3
import docker
import pytest
from botocore.stub import Stubber
from docker.errors import DockerException

from cutover import aws, smoke
from cutover.errors import NoGoError
from cutover.smoke import running
from cutover.smoke.checks import build
from cutover.smoke.probe import CheckFailedError
from outputs.smoke import FargateProcesses
from tests.support.edge_double import TARGET, Edge
from tests.support.outside import containers
from tests.support.outside import running as container

APP, WORKER = "web-next-test-stable", "web-next-test-worker"
OTHER = "sha256:" + "b" * 64


def look(edge: Edge) -> str:
    return build.look(edge.probe())


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> Edge:
    containers(monkeypatch, {APP: container(TARGET.image), WORKER: container(TARGET.image)})
    return Edge()


def test_commit_version_and_the_image_of_both_processes_pass(edge: Edge) -> None:
    assert look(edge) == "build 4f2c1d9, version 1.5.1; sha256:aaaaaaaaaaaa runs in 1 app and 1 worker"


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"buildSha": "0000000"}, "buildSha is '0000000', '4f2c1d9' expected"),
        ({"version": "1.5.0"}, "version is '1.5.0', '1.5.1' expected"),
        ({"checks": {"audit": {"ok": False, "adapter": "mock"}}}, "audit is mock, production expected"),
    ],
)
def test_another_release_that_answers_fails(edge: Edge, said: dict[str, Any], complaint: str) -> None:
    edge.answer("/api/healthz", {"ok": True, "buildSha": TARGET.build_sha, "version": TARGET.version} | said)

    with pytest.raises(CheckFailedError, match=complaint):
        look(edge)


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ({APP: container(OTHER), WORKER: container(TARGET.image)}, f"app {APP} runs image {OTHER}, not {TARGET.image}"),
        ({APP: container(TARGET.image), WORKER: container(OTHER)}, f"worker {WORKER} runs image {OTHER}"),
        ({APP: container(TARGET.image)}, f"there is no container {WORKER}, the worker"),
        ({WORKER: container(TARGET.image)}, f"there is no container {APP}, the app"),
        (
            {APP: container(TARGET.image), WORKER: container(TARGET.image, Running=False, Status="exited")},
            f"worker {WORKER} is exited",
        ),
        (
            {APP: container(TARGET.image), WORKER: container(TARGET.image, Restarting=True, Status="restarting")},
            f"worker {WORKER} is restarting",
        ),
        (
            {APP: container(TARGET.image), WORKER: container(TARGET.image, Health={"Status": "unhealthy"})},
            f"worker {WORKER} is unhealthy",
        ),
    ],
    ids=["stale app", "stale worker", "no worker", "no app", "worker ended", "worker restarts", "worker unwell"],
)
def test_what_runs_and_is_not_the_release_fails_by_name(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], complaint: str
) -> None:
    containers(monkeypatch, found)

    with pytest.raises(CheckFailedError, match=complaint):
        look(Edge())


def test_a_docker_that_does_not_answer_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> None:
        raise DockerException("permission denied")

    monkeypatch.setattr(docker, "DockerClient", away)

    with pytest.raises(CheckFailedError, match=r"Docker does not say what runs \(permission denied\)"):
        look(Edge())


CLUSTER = "arn:aws:ecs:eu-central-1:123456789012:cluster/web-next-prod"
DEFINITION = "arn:aws:ecs:eu-central-1:123456789012:task-definition/web-next-prod-stable:7"
WORKERS = "arn:aws:ecs:eu-central-1:123456789012:task-definition/web-next-prod-worker:4"
SERVICES = FargateProcesses(
    cluster=CLUSTER, app="stable", worker="worker", app_definition=DEFINITION, worker_definition=WORKERS
)
DONE = [{"status": "PRIMARY", "rolloutState": "COMPLETED"}]


def task(number: int, **given: Any) -> dict[str, Any]:
    known = {
        "taskArn": f"arn:aws:ecs:eu-central-1:123456789012:task/web-next-prod/t{number}",
        "taskDefinitionArn": DEFINITION,
        "lastStatus": "RUNNING",
        "containers": [{"name": "app", "imageDigest": TARGET.image}, {"name": "edge", "imageDigest": OTHER}],
    }
    return known | given


def on_ecs(
    *tasks: dict[str, Any], deployments: list[dict[str, Any]] = DONE, services: int = 1
) -> list[running.Process]:
    """What is found of a service with these tasks at one look."""
    ecs = boto3.client("ecs", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    service = {"serviceName": "stable", "taskDefinition": DEFINITION, "deployments": deployments}
    arns = [each["taskArn"] for each in tasks]
    with Stubber(ecs) as stub:
        stub.add_response(
            "describe_services", {"services": [service] * services}, {"cluster": CLUSTER, "services": ["stable"]}
        )
        stub.add_response(
            "list_tasks", {"taskArns": arns}, {"cluster": CLUSTER, "serviceName": "stable", "desiredStatus": "RUNNING"}
        )
        stub.add_response("describe_tasks", {"tasks": list(tasks)}, {"cluster": CLUSTER, "tasks": arns})
        return list(running._tasks("app", SERVICES.app, DEFINITION, CLUSTER, ecs))


def test_every_running_task_is_found_with_the_digest_of_its_own_part() -> None:
    assert on_ecs(task(1), task(2)) == [
        running.Process(part="app", name="stable t1", image=TARGET.image),
        running.Process(part="app", name="stable t2", image=TARGET.image),
    ]


def test_app_and_worker_are_asked_for_on_both_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        running, "_tasks", lambda part, name, declared, *_: [running.Process(part=part, name=name, image=declared)]
    )
    candidate = FargateProcesses(
        cluster="c", app="candidate", worker="candidate-worker", app_definition="a:1", worker_definition="w:1"
    )

    found = running.on_fargate(candidate, None)
    assert [(each.part, each.name, each.image) for each in found] == [
        ("app", "candidate", "a:1"),
        ("worker", "candidate-worker", "w:1"),
    ]


def test_a_task_that_is_not_what_the_service_says_is_wrong() -> None:
    (found,) = on_ecs(task(1, taskDefinitionArn=DEFINITION[:-1] + "6"))

    assert found.wrong == "runs web-next-prod-stable:6, the service has web-next-prod-stable:7"


def test_a_deployment_under_way_a_missing_service_and_no_task_fail() -> None:
    under_way = [
        {"status": "PRIMARY", "rolloutState": "IN_PROGRESS"},
        {"status": "ACTIVE", "rolloutState": "COMPLETED"},
    ]
    with pytest.raises(CheckFailedError, match=r"stable has a deployment under way \(PRIMARY IN_PROGRESS, ACTIVE COMP"):
        on_ecs(task(1), deployments=under_way)
    with pytest.raises(CheckFailedError, match="there is no service stable, the app"):
        on_ecs(task(1), services=0)
    with pytest.raises(CheckFailedError, match="service stable runs no task"):
        on_ecs()


def test_an_ecs_that_refuses_is_a_failure() -> None:
    ecs = boto3.client("ecs", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(ecs) as stub:
        stub.add_client_error("describe_services", "AccessDeniedException", "no")
        with pytest.raises(CheckFailedError, match=r"ECS does not say what runs .*AccessDenied"):
            running.on_fargate(SERVICES, ecs)


def test_a_repository_is_no_part_of_the_image_that_is_compared(edge: Edge) -> None:
    edge.target = replace(TARGET, image=f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/web-next@{TARGET.image}")

    assert "sha256:aaaaaaaaaaaa runs" in look(edge)


BEFORE = DEFINITION[:-1] + "6"


class Ecs:
    """ECS with two services; what one has instead of what was declared, and the tasks that have ended."""

    def __init__(self, part: str | None = None, *, image: str = TARGET.image, events: Sequence[str] = ()) -> None:
        self.part, self.image, self.events = part, image, events
        self.ended: list[dict[str, Any]] = []
        self.slow: list[str | None] = []
        """What is seen of the worker's task by each look before it runs: how far it is, None while there is none."""
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.slow = self.slow[1:]

    def describe_services(self, *, cluster: str, services: list[str]) -> dict[str, Any]:
        assert cluster == CLUSTER
        (name,) = services
        declared = {"stable": DEFINITION, "worker": WORKERS}[name]
        has = BEFORE if name == self.part else declared
        events = [{"message": message} for message in self.events]
        return {"services": [{"serviceName": name, "taskDefinition": has, "deployments": DONE, "events": events}]}

    def get_paginator(self, operation: str) -> Ecs:
        assert operation == "list_tasks"
        return self

    def paginate(self, **asked: str) -> list[dict[str, Any]]:
        return [self.list_tasks(**asked)]

    def list_tasks(self, *, cluster: str, serviceName: str, desiredStatus: str) -> dict[str, Any]:  # noqa: N803
        if desiredStatus == "STOPPED":
            return {"taskArns": ["ended"] * len(self.ended)}
        return {"taskArns": [] if serviceName == "worker" and self.slow and not self.slow[0] else [serviceName]}

    def describe_tasks(self, *, cluster: str, tasks: list[str]) -> dict[str, Any]:
        if tasks[0] == "ended":
            return {"tasks": self.ended}
        runs = {"stable": ("app", DEFINITION), "worker": ("worker", WORKERS)}
        part, definition = runs[tasks[0]]
        image = self.image if part == "worker" else TARGET.image
        containers = [{"name": part, "imageDigest": image}]
        status = self.slow[0] if part == "worker" and self.slow else "RUNNING"
        return {"tasks": [task(1, taskDefinitionArn=definition, containers=containers, lastStatus=status)]}


def required(ecs: Ecs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "client", lambda *_: ecs)
    monkeypatch.setattr(time, "sleep", ecs.sleep)
    smoke.require_declared(replace(TARGET, processes=SERVICES).output())


def test_what_runs_as_it_was_declared_may_be_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    required(Ecs(), monkeypatch)


def test_a_task_that_starts_in_anothers_place_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ecs = Ecs()
    ecs.slow = ["DEPROVISIONING", None, "PROVISIONING", "PENDING", "ACTIVATING"]

    required(ecs, monkeypatch)

    assert ecs.slept == 5 * running.PAUSE_SECONDS


@pytest.mark.parametrize(
    ("stays", "complaint"), [("PENDING", "worker worker t1 is PENDING"), (None, "service worker runs no task")]
)
def test_a_task_that_does_not_start_within_a_minute_is_no_go(
    monkeypatch: pytest.MonkeyPatch, stays: str | None, complaint: str
) -> None:
    ecs = Ecs()
    ecs.slow = [stays] * 100

    with pytest.raises(NoGoError, match=f"{complaint} after 60 s"):
        required(ecs, monkeypatch)
    assert ecs.slept == running.START_SECONDS


def test_the_check_waits_by_the_clock_of_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ecs, edge = Ecs(), Edge(target=replace(TARGET, processes=SERVICES))
    ecs.slow = ["PENDING"]
    monkeypatch.setattr(aws, "client", lambda *_: ecs)
    probe = replace(edge.probe(), sleep=ecs.sleep)

    assert build.look(probe).endswith("runs in 1 app and 1 worker")


@pytest.mark.parametrize(
    ("part", "declared"), [("stable", "web-next-prod-stable:7"), ("worker", "web-next-prod-worker:4")]
)
def test_a_service_that_ecs_has_put_back_is_no_go_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, part: str, declared: str
) -> None:
    ecs = Ecs(part)
    failed = {"taskDefinitionArn": {"stable": DEFINITION, "worker": WORKERS}[part], "stoppedAt": 2, "containers": []}
    ecs.ended = [
        {**failed, "stoppedAt": 1, "stoppedReason": "an earlier one"},
        {
            **failed,
            "stoppedReason": "Essential container exited",
            "containers": [{"name": part, "reason": "OutOfMemory"}],
        },
        {**failed, "taskDefinitionArn": BEFORE, "stoppedAt": 3, "stoppedReason": "of another definition"},
    ]

    with pytest.raises(NoGoError) as refused:
        required(ecs, monkeypatch)
    assert str(refused.value) == (
        f"NO-GO\n  service {part} has web-next-prod-stable:6, and {declared} was declared: ECS has put it back "
        f"(Essential container exited; {part}: OutOfMemory); mend that and bring up another release, or this one again "
        "with --refresh"
    )


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (
            ["(service worker) has reached a steady state.", "(deployment x) deployment failed: alarm detected."],
            "alarm",
        ),
        ([], "it says no more why"),
    ],
)
def test_without_an_ended_task_the_reason_is_the_deployments(
    monkeypatch: pytest.MonkeyPatch, events: list[str], says: str
) -> None:
    with pytest.raises(NoGoError, match=rf"ECS has put it back \(.*{says}"):
        required(Ecs("worker", events=events), monkeypatch)


def test_a_worker_of_another_image_is_no_go(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoGoError, match=f"worker worker t1 runs image {OTHER}, not {TARGET.image}"):
        required(Ecs(image=OTHER), monkeypatch)
