"""A candidate on a base that runs: proven in its slot without traffic, given a share, taken back, and gone."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from outputs.smoke import Criterion
from tests.support.system import System, candidate_of

pytestmark = pytest.mark.e2e

HALF = '{"FEATURE_AUTO_PAUSE": 0.5}'


@pytest.fixture(scope="module")
def candidate(standing: System) -> Iterator[System]:
    """A candidate for the base, which knows nothing of it."""
    made = candidate_of(standing)
    yield made
    put(standing, 0)
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


def put(base: System, weight: int) -> None:
    base.run(sys.executable, "-m", "cutover", "traffic", "-s", base.stack, str(weight))


def flags(base: System, parameter: str) -> str:
    return str(base.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"])


def set_flags(base: System, parameter: str, value: str) -> None:
    base.client("ssm").put_parameter(Name=parameter, Value=value, Type="String", Overwrite=True)


@contextmanager
def asking(base: System) -> Iterator[Counter[tuple[str, int]]]:
    """Asks the edge all the time; how often which track answered with which status."""
    statuses: Counter[tuple[str, int]] = Counter()
    stop = threading.Event()

    def ask() -> None:
        with console(base) as client:
            while not stop.is_set():
                answer = client.get("/healthz")
                statuses[answer.headers.get("x-edge-track", ""), answer.status_code] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()


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
    assert made == {"Container", "Healthy", "Pids", "BucketObjectv2", "StackReference", *guards, *providers}
    containers = [each for each in candidate.resources() if each["type"] == "docker:index/container:Container"]
    assert sorted(each["outputs"]["name"].rpartition("-")[0] for each in containers) == [
        f"web-next-{candidate.stack}-{part}" for part in ("candidate", "worker")
    ]


def test_the_base_knows_nothing_of_its_candidate(standing: System) -> None:
    standing.pulumi("preview", "--expect-no-changes")


def test_the_weight_moves_traffic_and_takes_it_back(standing: System) -> None:
    with console(standing) as client:
        put(standing, 10)
        assert 5 <= share(client, 1000) <= 15, "five standard deviations; how exact it is, test_edge_split.py says"
        put(standing, 100)
        assert share(client, 500) == 100
        put(standing, 0)
        assert share(client, 500) == 0


def test_a_plain_up_of_the_base_puts_neither_the_weight_nor_the_flags_back(standing: System) -> None:
    parameters = standing.outputs()["flags_parameters"]
    before = {name: flags(standing, name) for name in parameters.values()}
    for name in before:
        set_flags(standing, name, HALF)
    put(standing, 50)
    standing.set("edge", {"burst": 12})
    standing.update()

    shown = standing.run(sys.executable, "-m", "cutover", "traffic", "-s", standing.stack)
    assert shown.last_line.split()[-1] == "50"
    assert {flags(standing, name) for name in before} == {HALF}
    put(standing, 0)
    for name, value in before.items():
        set_flags(standing, name, value)


def test_a_candidate_with_traffic_is_neither_replaced_nor_removed_by_plain_pulumi(
    standing: System, candidate: System
) -> None:
    put(standing, 50)
    candidate.pulumi("up", "--yes", "--skip-preview")  # at most its record, which repeats what the base was told
    candidate.set("version", "1.5.3")
    ids = {part: candidate.container(part).id for part in ("candidate", "worker")}
    with asking(standing) as statuses:
        refused = [
            candidate.pulumi(*command, code=None)
            for command in (("preview",), ("up", "--yes", "--skip-preview"), ("destroy", "--yes", "--skip-preview"))
        ]
        by_cutover = candidate.up(code=13)

    has = f"the candidate has 50 % of the traffic: take it back first, cutover traffic -s {standing.stack} 0"
    assert [done.code for done in refused if has in done.text] == [1, 1, 1]
    assert has in by_cutover.last_line
    assert {part: candidate.container(part).id for part in ids} == ids
    assert statuses.keys() == {("stable", 200), ("candidate", 200)}
    assert min(statuses.values()) > 100
    put(standing, 0)
    candidate.set("version", "1.5.2")
    candidate.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_a_candidate_whose_data_is_mocked_is_no_go_and_has_no_record(candidate: System) -> None:
    before = candidate.outputs()["deployment_record"]["version"]
    candidate.set("adapters", {"audit": "mock"})
    done = candidate.up(code=None)

    assert done.code != 0
    assert "NO-GO" in done.last_line
    assert candidate.outputs()["deployment_record"]["version"] == before


def test_a_candidate_is_taken_away_and_the_base_goes_on(standing: System, candidate: System) -> None:
    candidate.pulumi("destroy", "--yes", "--skip-preview")

    with console(standing) as client:
        assert {answered(client) for _ in range(50)} == {"stable"}
    told = standing.smoke("--json").text
    decision = json.loads(told[told.index("{") :])["decision"]
    assert decision["verdict"] == "GO"
    assert [each["criterion"] for each in decision["criteria"]] == list(Criterion)
