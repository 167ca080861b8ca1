"""A candidate on a base that runs: proven in its slot without traffic, given a share, taken back, and gone."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.support.system import System, candidate_of

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def candidate(standing: System) -> Iterator[System]:
    """A candidate for the base, which knows nothing of it."""
    made = candidate_of(standing)
    yield made
    made.pulumi("destroy", "--yes", "--skip-preview")


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


def test_a_candidate_is_proven_in_its_slot_while_all_traffic_is_stables(standing: System, candidate: System) -> None:
    done = candidate.up()

    assert done.verdict.startswith("GO  web-next 1.5.2 candidate at ")
    assert candidate.outputs()["deployment_record"]["key"] == "deployments/candidate.json"
    assert standing.run(sys.executable, "-m", "cutover", "traffic", "-s", standing.stack).last_line.split()[-1] == "0"
    versions = {"stable": standing.outputs()["release"]["version"], "candidate": "1.5.2"}
    with console(standing) as client:
        assert {answered(client) for _ in range(300)} == {"stable"}
        assert {track: version(client, track) for track in versions} == versions


def test_a_candidate_is_two_containers_and_its_record_between_guards(candidate: System) -> None:
    made = {each["type"].rpartition(":")[2] for each in candidate.resources() if each.get("custom")}

    guards, providers = {"UpdateGuard", "RemovalGuard"}, {"aws", "docker", "pulumi", "pulumi-python"}
    assert made == {"Container", "BucketObjectv2", "StackReference", *guards, *providers}
    containers = [each for each in candidate.resources() if each["type"] == "docker:index/container:Container"]
    assert sorted(each["outputs"]["name"].rpartition("-")[0] for each in containers) == [
        f"web-next-{candidate.stack}-{part}" for part in ("candidate", "worker")
    ]


def test_the_base_knows_nothing_of_its_candidate(standing: System) -> None:
    standing.pulumi("preview", "--expect-no-changes")


def test_the_weight_moves_traffic_and_takes_it_back(standing: System) -> None:
    def put(weight: int) -> None:
        standing.run(sys.executable, "-m", "cutover", "traffic", "-s", standing.stack, str(weight))

    with console(standing) as client:
        put(10)
        assert 5 <= share(client, 1000) <= 15, "five standard deviations; how exact it is, test_edge_split.py says"
        put(100)
        assert share(client, 500) == 100
        put(0)
        assert share(client, 500) == 0


def test_a_plain_up_of_the_base_does_not_put_the_weight_back(standing: System) -> None:
    standing.run(sys.executable, "-m", "cutover", "traffic", "-s", standing.stack, "50")
    standing.set("edge", {"burst": 12})
    standing.up()

    shown = standing.run(sys.executable, "-m", "cutover", "traffic", "-s", standing.stack)
    assert shown.last_line.split()[-1] == "50"
    standing.run(sys.executable, "-m", "cutover", "traffic", "-s", standing.stack, "0")


def test_a_candidate_whose_data_is_mocked_is_no_go_and_has_no_record(candidate: System) -> None:
    before = candidate.outputs()["deployment_record"]["version"]
    candidate.set("adapters", {"audit": "mock"})
    done = candidate.up(code=None)

    assert done.code != 0
    assert "NO-GO" in done.last_line
    assert candidate.outputs()["deployment_record"]["version"] == before
    candidate.unset("adapters")
    candidate.up()


def test_a_candidate_is_taken_away_and_the_base_goes_on(standing: System, candidate: System) -> None:
    candidate.pulumi("destroy", "--yes", "--skip-preview")

    with console(standing) as client:
        assert {answered(client) for _ in range(50)} == {"stable"}
    standing.smoke()
