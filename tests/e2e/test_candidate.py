"""A candidate on a base that runs: proven in its slot without traffic, given a share, taken back, and gone."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from offline import stackfile
from tests.support.system import System, remove

pytestmark = pytest.mark.e2e

VERSIONS = {"stable": "1.5.1", "candidate": "1.5.2"}


def candidate_of(base: System, **settings: Any) -> System:
    """A stack beside the base's, in the same folder, that stands on it."""
    made = replace(base, stack=f"{base.stack}-canary")
    content = stackfile.read(base.folder, base.stack)
    content["config"] |= {"web-next:track": "candidate", "web-next:base": base.stack, "web-next:version": "1.5.2"}
    content["config"] |= {f"web-next:{key}": value for key, value in settings.items()}
    stackfile.write(made.folder, made.stack, {"config": content["config"]})
    return made


@pytest.fixture(scope="module")
def candidate(system: System) -> Iterator[System]:
    made = candidate_of(system)
    yield made
    remove(made)


@pytest.fixture(scope="module")
def up(system: System, candidate: System) -> System:
    """The base, up; the candidate is not yet."""
    system.up()
    return candidate


def console(base: System) -> httpx.Client:
    target = base.outputs()["smoke_target"]["edge"]
    authority = str(base.folder / target["authority"])
    trust = ssl.create_default_context(cafile=authority)
    return httpx.Client(base_url=target["url"], verify=trust, timeout=10, trust_env=False)


def answered(client: httpx.Client) -> str:
    """The track that answered a request under the edge's unlimited path."""
    answer = client.get("/healthz")
    assert answer.status_code == 200, answer.text
    return answer.headers["x-edge-track"]


def share(client: httpx.Client, requests: int) -> float:
    """How many of a hundred requests the candidate answers."""
    return 100 * [answered(client) for _ in range(requests)].count("candidate") / requests


def version(client: httpx.Client, track: str) -> str:
    """The version behind a pinned request."""
    return str(client.get("/api/healthz", headers={"x-web-next-track": track}).json()["version"])


def test_without_its_base_a_candidate_is_refused_in_one_line(candidate: System) -> None:
    done = candidate.up(code=None)

    assert done.code != 0
    assert f"base {candidate.stack.removesuffix('-canary')}" in done.last_line
    assert "Traceback" not in done.text


def test_a_candidate_is_proven_in_its_slot_while_all_traffic_is_stables(system: System, up: System) -> None:
    done = up.up()

    assert done.last_line.strip().startswith("GO  web-next 1.5.2 candidate at ")
    assert up.outputs()["deployment_record"]["key"] == "deployments/candidate.json"
    assert system.run(sys.executable, "-m", "cutover", "traffic", "-s", system.stack).last_line.split()[-1] == "0"
    with console(system) as client:
        assert {answered(client) for _ in range(300)} == {"stable"}
        assert {track: version(client, track) for track in VERSIONS} == VERSIONS


def test_a_candidate_is_one_container_and_its_record(up: System) -> None:
    made = {each["type"].rpartition(":")[2] for each in up.resources() if each.get("custom")}

    assert made == {"Container", "BucketObjectv2", "StackReference", "aws", "docker", "pulumi"}, (
        "the last three are providers"
    )
    (container,) = [each for each in up.resources() if each["type"] == "docker:index/container:Container"]
    assert container["outputs"]["name"].startswith(f"web-next-{up.stack}-candidate-")


def test_the_base_knows_nothing_of_its_candidate(system: System) -> None:
    system.pulumi("preview", "--expect-no-changes")


def test_the_weight_moves_traffic_and_takes_it_back(system: System) -> None:
    def put(weight: int) -> None:
        system.run(sys.executable, "-m", "cutover", "traffic", "-s", system.stack, str(weight))

    with console(system) as client:
        put(10)
        assert 8 <= share(client, 5000) <= 12
        put(100)
        assert share(client, 500) == 100
        put(0)
        assert share(client, 500) == 0


def test_a_plain_up_of_the_base_does_not_put_the_weight_back(system: System) -> None:
    system.run(sys.executable, "-m", "cutover", "traffic", "-s", system.stack, "50")
    system.set("edge", {"burst": 12})
    system.up()

    shown = system.run(sys.executable, "-m", "cutover", "traffic", "-s", system.stack)
    assert shown.last_line.split()[-1] == "50"
    system.run(sys.executable, "-m", "cutover", "traffic", "-s", system.stack, "0")


def test_a_candidate_whose_data_is_mocked_is_no_go_and_has_no_record(up: System) -> None:
    before = up.outputs()["deployment_record"]["version"]
    up.set("adapters", {"audit": "mock"})
    done = up.up(code=None)

    assert done.code != 0
    assert "NO-GO" in done.last_line
    assert up.outputs()["deployment_record"]["version"] == before
    up.unset("adapters")
    up.up()


def test_a_candidate_is_taken_away_and_the_base_goes_on(system: System, up: System) -> None:
    up.pulumi("destroy", "--yes", "--skip-preview")

    with console(system) as client:
        assert {answered(client) for _ in range(50)} == {"stable"}
    system.smoke()
