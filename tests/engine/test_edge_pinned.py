"""One track asked by name through the real edge, as a rollback asks before it sets the traffic."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.errors import UnreachableError
from cutover.rollout.pinned import Pinned
from infra.nginx import WEIGHTS
from outputs.release import Track
from outputs.smoke import EdgeSummary
from tests.support.containers import docker, pause
from tests.support.edges import Edge, StartEdge, config

pytestmark = pytest.mark.engine

TRACKS: tuple[Track, ...] = ("stable", "candidate")
AWAY = {"stable": "stable:3003", "candidate": "127.0.0.1:1"}


@pytest.fixture(scope="module")
def edge(start_edge: StartEdge) -> Iterator[Edge]:
    """An edge whose stable track runs and whose candidate is not there."""
    with start_edge(config(upstreams=AWAY, weights=WEIGHTS, trusted_callers=["GATEWAY"])) as running:
        yield running


def summary(edge: Edge, tls: Path) -> EdgeSummary:
    url = f"https://127.0.0.1:{edge.port}"
    return EdgeSummary(url=url, authority=str(tls / "edge.pem"), rate_per_minute=60, burst=10, config="c")


def test_a_release_that_runs_answers_and_one_that_is_not_there_does_not(edge: Edge, edge_tls: Path) -> None:
    assert Pinned(summary(edge, edge_tls), "stable").answers() is True
    assert Pinned(summary(edge, edge_tls), "candidate").answers() is False


def test_a_release_that_hangs_is_not_waited_for(edge: Edge, edge_tls: Path) -> None:
    pause(edge.upstream)
    try:
        began = time.monotonic()
        assert Pinned(summary(edge, edge_tls), "stable").answers() is None
        assert time.monotonic() - began < 2
    finally:
        docker("unpause", edge.upstream)


def test_the_answer_of_another_track_is_none(start_edge: StartEdge, edge_tls: Path) -> None:
    with start_edge(config("stable", "candidate", trusted_callers=[])) as untrusting:
        assert Pinned(summary(untrusting, edge_tls), "stable").answers() is True
        assert Pinned(summary(untrusting, edge_tls), "candidate").answers() is None


def test_what_does_not_say_what_waits_is_out_of_reach(edge: Edge, edge_tls: Path) -> None:
    for track in TRACKS:
        with pytest.raises(UnreachableError, match=f"{track} does not say what waits in its queues"):
            Pinned(summary(edge, edge_tls), track).undelivered()
