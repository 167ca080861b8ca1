"""The replicas check: an edge for each task has answered for the app behind it, within the requests that it may
send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, cycle

import httpx
import pytest

from cutover.smoke.checks import replicas
from cutover.smoke.probe import CheckFailedError, Probe
from cutover.smoke.running import Process
from tests.support.edge_double import TARGET, Edge


@pytest.fixture(autouse=True)
def three_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [Process(part="app", name=f"stable t{number}", image="i") for number in range(3)]
    worker = Process(part="worker", name="worker t1", image="i")
    monkeypatch.setattr(replicas, "processes", lambda *_: [*tasks, worker])


def behind(edges: Iterator[str], profile: str = "full", status: int = 200) -> Probe:
    """A probe whose requests meet these edges, one after another."""
    edge = Edge(target=replace(TARGET, profile=profile))  # type: ignore[arg-type]

    def answer(_request: httpx.Request) -> httpx.Response:
        edge.named["x-edge-id"] = next(edges)
        return httpx.Response(status)

    edge.answers = dict.fromkeys(("/healthz", "/api/healthz"), answer)
    return edge.probe()


def test_each_task_of_the_app_has_an_edge_that_answers() -> None:
    assert replicas.look(behind(cycle("abc"))) == "3 of 3 replicas answered"


def test_an_edge_that_has_answered_before_the_tasks_were_listed_may_be_of_one_that_is_gone() -> None:
    probe = behind(chain("ab", cycle("bd")))
    for _ in range(2):
        probe.send("GET", "/api/healthz")

    with pytest.raises(CheckFailedError, match="2 of 3 replicas answered in 300 requests: b, d"):
        replicas.look(probe)


def test_a_task_that_the_balancer_has_just_begun_to_use_is_waited_for() -> None:
    edge = Edge(target=replace(TARGET, profile="prod"))
    started = edge.clock()
    edges = cycle("ab")

    def answer(_request: httpx.Request) -> httpx.Response:
        edge.named["x-edge-id"] = "c" if edge.clock() - started > 20 else next(edges)
        return httpx.Response(200)

    edge.answers = {"/healthz": answer}

    assert replicas.look(edge.probe()) == "3 of 3 replicas answered"


@pytest.mark.parametrize("status", [429, 502])
def test_an_answer_that_nginx_made_itself_says_nothing_of_the_app(status: int) -> None:
    probe = behind(cycle("abc"), status=status)

    with pytest.raises(CheckFailedError, match=f"GET /healthz at a: {status}, 200 expected"):
        replicas.look(probe)


@pytest.mark.parametrize(("profile", "most"), [("prod", 54), ("full", 300)])
def test_a_replica_that_never_answers_fails_within_the_checks_requests(profile: str, most: int) -> None:
    probe = behind(cycle("ab"), profile=profile)

    with pytest.raises(CheckFailedError, match=f"2 of 3 replicas answered in {most} requests: a, b"):
        replicas.look(probe)
    assert len(probe.samples.taken) == most
