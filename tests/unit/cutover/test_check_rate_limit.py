"""The rate check, green and red, through a client that meets nginx's arithmetic and no socket."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cutover.smoke.checks import rate_limit
from cutover.smoke.finding import Outcome
from cutover.smoke.probe import CheckFailedError, NotRunError
from tests.support.edge_double import TARGET, Edge, Nginx, NoLimit, jitter, target


@pytest.fixture
def edge() -> Edge:
    return Edge()


@dataclass
class Drained:
    """nginx that somebody else asks as fast as he can before each of one's own requests."""

    nginx: Nginx

    def passes(self, now: float) -> bool:
        while self.nginx.passes(now):
            pass
        return self.nginx.passes(now)


def test_the_playbooks_limit_shows_itself_from_idle_within_eight_seconds(edge: Edge) -> None:
    finding = rate_limit.CHECK.run(edge.probe())

    assert finding.outcome is Outcome.PASS
    assert finding.saw == "11 of 65 passed at once and 6 of 48 after them: 60/min with burst 10"
    assert finding.seconds < 8


def test_what_the_other_checks_sent_is_waited_for(edge: Edge) -> None:
    probe = edge.probe()
    for _ in range(3):
        probe.accepted("GET", "/api/healthz")
    began = edge.clock()

    assert rate_limit.look(probe).startswith("11 of 65 passed at once")
    assert 2 < edge.clock() - began < 8 + 3


@pytest.mark.parametrize("seed", range(14))
def test_the_true_limit_passes_whatever_the_latency_and_the_traffic_before(seed: int) -> None:
    edge = Edge(latency=jitter(seed, longest=0.06))
    for _ in range(seed):
        edge.limiter.passes(edge.clock())

    rate_limit.look(edge.probe())


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("limiter", "complaint"),
    [
        (lambda: NoLimit(), "65 of 65 passed at once .*: edge-1 answered as with no limit, not 60/min with burst 10"),
        (lambda: Nginx(30, 10), "edge-1 answered as with 30/min with burst 10, not 60/min with burst 10"),
        (lambda: Nginx(120, 10), "edge-1 answered as with 120/min with burst 10, not 60/min with burst 10"),
        (lambda: Nginx(60, 0), "edge-1 answered as with 60/min with burst [05], not 60/min with burst 10"),
        (lambda: Nginx(60, 5), "6 of 65 passed at once .* as with 60/min with burst 5, not 60/min with burst 10"),
        (lambda: Nginx(60, 20), "edge-1 answered as with (no limit|60/min with burst 20), not 60/min with burst 10"),
    ],
    ids=["no limiter", "half the rate", "double the rate", "burst 0", "burst 5", "burst 20"],
)
def test_another_limit_is_noticed_from_an_idle_and_from_a_full_bucket(limiter: Any, complaint: str, full: bool) -> None:
    edge = Edge(limiter=limiter(), latency=jitter(1, longest=0.004))
    for _ in range(30 if full else 0):
        edge.limiter.passes(edge.clock())

    with pytest.raises(CheckFailedError, match=complaint):
        rate_limit.look(edge.probe())


def test_a_bucket_that_others_filled_is_waited_for_and_passes_on_retry() -> None:
    edge = Edge()
    while edge.limiter.passes(edge.clock()):
        pass
    began = edge.clock()

    finding = rate_limit.CHECK.run(edge.probe())

    assert (finding.outcome, finding.saw.split(" and")[0]) == (Outcome.RETRIED, "11 of 65 passed at once")
    assert edge.clock() - began > 21, "a bucket of twice the burst has to be empty before the second burst"


def test_a_bucket_that_somebody_keeps_full_proves_nothing_within_the_suites_time() -> None:
    edge = Edge(limiter=Drained(Nginx(60, 10)))  # type: ignore[arg-type]

    finding = rate_limit.CHECK.run(edge.probe())

    assert finding.outcome in (Outcome.NOT_RUN, Outcome.FAIL)
    assert finding.saw.startswith("0 of 65 passed at once")
    assert finding.seconds < 100


@pytest.mark.parametrize(("rate", "burst"), [(30, 10), (600, 20), (60, 30), (50, 0)])
def test_other_limits_are_proven_by_enough_requests(rate: int, burst: int) -> None:
    limited = target(rate_per_minute=rate, burst=burst)

    rate_limit.look(Edge(limiter=Nginx(rate, burst), target=limited).probe())
    with pytest.raises(CheckFailedError):
        rate_limit.look(Edge(limiter=NoLimit(), target=limited).probe())


def test_requests_too_slow_to_meet_the_limit_prove_nothing() -> None:
    edge = Edge(limiter=NoLimit(), latency=lambda: 0.6, target=replace(TARGET, profile="prod"))

    with pytest.raises(NotRunError, match=r"12 of 12 .*, which decides nothing: the limit was never reached at edge-1"):
        rate_limit.look(edge.probe())


@pytest.mark.parametrize("status", [200, 404, 500, 502])
def test_the_limiter_is_judged_whatever_the_app_answers(edge: Edge, status: int) -> None:
    edge.answer(rate_limit.LIMITED_PATH, {}, status=status)

    assert rate_limit.look(edge.probe()).startswith("11 of 65 passed at once")


def test_a_429_of_a_firewall_is_named_as_such(edge: Edge) -> None:
    edge.answer(rate_limit.LIMITED_PATH, {"_err": "blocked"}, status=429)
    edge.named = {"x-edge-track": "stable"}

    with pytest.raises(CheckFailedError, match=r"refused without an X-Edge-Id: by a firewall or somebody else"):
        rate_limit.look(edge.probe())


def test_the_paced_check_passes_60_of_65_and_takes_50_seconds(edge: Edge) -> None:
    finding = rate_limit.PACED.run(edge.probe())

    assert (finding.outcome, finding.saw) == (Outcome.PASS, "60 of 65 passed: 60/min with burst 10")
    assert 49 < finding.seconds < 51


@pytest.mark.parametrize(("firewall", "sent"), [(None, 32), (300, 32), (40, 20)])
@pytest.mark.parametrize("earlier", [0, 14])
def test_a_run_of_prod_sends_twelve_for_its_edge_and_twenty_and_half_of_what_the_firewall_allows(
    firewall: int | None, sent: int, earlier: int
) -> None:
    edge = Edge(target=replace(target(firewall=firewall), profile="prod"))
    probe = edge.probe()
    for _ in range(earlier):
        probe.send("GET", "/api/healthz")
        edge.clock.sleep(2)

    finding = rate_limit.CHECK.run(probe)

    assert len(probe.samples.taken) == sent
    assert (finding.outcome is Outcome.PASS) == (sent - earlier >= 18), finding.saw
    assert re.match(r"\d+ of \d+ passed at once", finding.saw)


def test_before_a_firewall_the_whole_suite_is_as_sparse_as_in_prod() -> None:
    edge = Edge(target=target(firewall=300))

    assert rate_limit.CHECK.run(edge.probe()).outcome is Outcome.PASS
    assert TARGET.profile == "full"


@pytest.mark.timeout(20)
def test_a_limit_that_nobody_could_judge_in_time_is_asked_once_and_not_judged() -> None:
    edge = Edge(limiter=Nginx(6000, 500), target=target(rate_per_minute=6000, burst=500))

    finding = rate_limit.CHECK.run(edge.probe())

    assert finding.outcome is Outcome.NOT_RUN
    assert finding.saw.endswith("are more than can be judged: lower edge.burst")
    assert finding.seconds < 10, "another run would have more answers still"
