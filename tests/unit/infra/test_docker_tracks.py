"""What of a machine belongs to a release: its app and its worker, and nothing that both tracks stand on."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from infra.naming import Names
from infra.release import environment_of, release_of, shared_environment
from infra.runtime.docker.candidate import DockerCandidate, DockerCandidateArgs
from outputs.smoke import DockerProcesses
from tests.unit.infra.configs import DOCKER, NAMES, changed, settings, without
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import record

CONTAINER = "docker:index/container:Container"
HEALTHY = "pulumi-python:dynamic/web-next:Healthy"
AROUND = ("aws:s3/bucketObjectv2:BucketObjectv2", "pulumi-python:dynamic/web-next:UpdateGuard")
"""The deployment record, and what guards a release that has traffic."""
BASE = without(DOCKER, "executorUrl")
SLOT: dict[str, Any] = {
    "address": "10.213.7.13:3003",
    "worker": "10.213.7.17",
    "outside": False,
    "environment": shared_environment(settings(BASE), NAMES, "candidate"),
    "files": {"volume": "files", "digest": "0123"},
}


@pytest.mark.parametrize(
    ("change", "containers"),
    [
        ({"image": "sha256:" + "9" * 64}, {"stable", "worker"}),
        ({"version": "1.5.2"}, {"stable", "worker"}),
        ({"buildSha": "0a1b2c3"}, {"stable", "worker"}),
        ({"adapters": dict.fromkeys(("audit", "evidence", "guardrails"), "mock")}, {"stable", "worker"}),
        ({"workerCommand": ["work"]}, {"worker"}),
        ({"healthCommand": ["healthy"]}, {"stable", "worker"}),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else "",
)
def test_another_release_replaces_its_own_containers_and_nothing_that_both_tracks_stand_on(
    change: dict[str, Any], containers: set[str]
) -> None:
    before, after = ({one.urn: one for one in run(config).registered} for config in (BASE, changed(BASE, **change)))
    differ = {(one.token, one.name) for urn, one in after.items() if one.inputs != before[urn].inputs}

    assert before.keys() == after.keys()
    assert {name for token, name in differ if token == CONTAINER} == containers
    assert {token for token, _ in differ} <= {CONTAINER, HEALTHY, *AROUND}


def placed(slot: dict[str, Any]) -> tuple[DockerProcesses, dict[str, Any], dict[str, Any]]:
    """A candidate in the slot: what it is called, its app and its worker."""
    chosen = settings(BASE, track="candidate", base="local")
    made: list[DockerProcesses] = []

    def place() -> None:
        kept = pulumi.Output.from_input(slot)
        release = release_of(chosen, kept.apply(lambda known: known["environment"]), schema=7)
        names = Names.of(chosen, "canary")
        made.append(DockerCandidate("candidate", DockerCandidateArgs.of(chosen, names, release, kept)).processes)

    app, worker = (one.inputs for one in record(place).of(CONTAINER))
    return made[0], app, worker


@pytest.mark.parametrize("outside", [False, True])
def test_a_candidate_has_a_way_out_where_its_base_has_one(outside: bool) -> None:
    ways = ["outside-web-next-0a1b2c3d"] if outside else []
    for container in placed({**SLOT, "outside": outside})[1:]:
        assert [network["name"] for network in container["networksAdvanced"]] == ["web-next-0a1b2c3d", *ways]


def test_a_candidate_is_an_app_and_a_worker_that_rests_at_the_slots_addresses() -> None:
    chosen = settings(BASE, track="candidate", base="local")
    made, app, worker = placed(SLOT)

    assert (app["name"], worker["name"]) == (made.app, made.worker)
    assert made.output() == {
        "runtime": "docker",
        "app": "web-next-canary-candidate-0a1b2c3d",
        "worker": "web-next-canary-worker-0a1b2c3d",
    }
    assert [each["networksAdvanced"][0]["ipv4Address"] for each in (app, worker)] == ["10.213.7.13", "10.213.7.17"]
    assert worker["command"] == chosen.worker_command
    told = {f"{key}={value}" for key, value in environment_of(chosen, SLOT["environment"]).items()}
    for each in (app, worker):
        assert each["image"] == chosen.image
        assert told < set(each["envs"])
        assert {"label": "web-next.track", "value": "candidate"} in each["labels"]
    assert {"ALERTS_CONSUME=false", "FLAGS_PARAMETER=/web-next-test/flags/candidate"} < told
