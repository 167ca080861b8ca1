"""The rate check, green and red, through a client that meets nginx's arithmetic and no socket."""

from __future__ import annotations

from typing import Any

import pytest

from cutover.smoke.checks import rate_limit
from cutover.smoke.probe import CheckFailedError
from tests.support.edge_double import Edge, Nginx, NoLimit, jitter, target


@pytest.fixture
def edge() -> Edge:
    return Edge()


def test_the_playbooks_limit_shows_itself_from_idle(edge: Edge) -> None:
    seen = rate_limit.look(edge.probe())

    assert seen == "11 of 65 passed, the rest 429; refills at 60/min"


@pytest.mark.parametrize("seed", range(40))
def test_the_true_limit_passes_whatever_the_latency_and_the_traffic_before(seed: int) -> None:
    edge = Edge(latency=jitter(seed, longest=0.06))
    for _ in range(seed % 14):
        edge.limiter.passes(edge.clock())
    probe = edge.probe()

    for _ in range(3):
        probe.accepted("GET", "/api/healthz")
    rate_limit.look(probe)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("limiter", "complaint"),
    [
        (lambda: NoLimit(), "65 of 65 passed; .* passed that 60/min with burst 10 refuses"),
        (lambda: Nginx(30, 10), "refused that 60/min with burst 10 passes"),
        (lambda: Nginx(120, 10), "passed that 60/min with burst 10 refuses"),
        (lambda: Nginx(60, 5), "6 of 65 passed; .* refused that 60/min with burst 10 passes"),
        (lambda: Nginx(60, 20), "passed that 60/min with burst 10 refuses"),
    ],
    ids=["no limiter", "half the rate", "double the rate", "burst 5", "burst 20"],
)
def test_another_limit_is_noticed_from_an_idle_and_from_a_full_bucket(
    limiter: Any, complaint: str, seed: int, full: bool
) -> None:
    edge = Edge(limiter=limiter(), latency=jitter(seed, longest=0.004))
    for _ in range(30 if full else 0):
        edge.limiter.passes(edge.clock())

    with pytest.raises(CheckFailedError, match=complaint):
        rate_limit.look(edge.probe())


def test_a_bucket_that_others_filled_is_waited_for_once() -> None:
    edge = Edge()
    while edge.limiter.passes(edge.clock()):
        pass
    began = edge.clock()

    assert rate_limit.look(edge.probe()).startswith("11 of 65 passed")
    assert edge.clock() - began > 11, "the bucket has to be empty before the second burst"


@pytest.mark.parametrize(("rate", "burst"), [(30, 10), (600, 20), (60, 100), (50, 0)])
def test_other_limits_are_proven_by_enough_requests(rate: int, burst: int) -> None:
    limited = target(rate_per_minute=rate, burst=burst)

    rate_limit.look(Edge(limiter=Nginx(rate, burst), target=limited).probe())
    with pytest.raises(CheckFailedError):
        rate_limit.look(Edge(limiter=NoLimit(), target=limited).probe())


def test_requests_too_slow_to_meet_the_limit_prove_nothing() -> None:
    edge = Edge(limiter=NoLimit(), latency=lambda: 0.6)

    with pytest.raises(
        CheckFailedError, match="65 of 65 passed; the limit was never reached, the edge answers too slowly"
    ):
        rate_limit.look(edge.probe())


@pytest.mark.parametrize("status", [200, 404, 500, 502])
def test_the_limiter_is_judged_whatever_the_app_answers(edge: Edge, status: int) -> None:
    edge.answer(rate_limit.LIMITED_PATH, {}, status=status)

    assert rate_limit.look(edge.probe()).startswith("11 of 65 passed")
