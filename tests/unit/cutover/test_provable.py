"""Which limits the suite can prove: its rate check on both sides of each bound, by a clock that nobody waits for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cutover.smoke import run
from cutover.smoke.checks import rate_limit
from cutover.smoke.finding import Outcome
from cutover.smoke.provable import HARD_STOP_SECONDS, MOST_BURST, OTHERS, SECONDS, Provable, most_burst
from outputs.smoke import Profile
from tests.support.edge_double import TARGET, Edge, Nginx


def checked(rate: int, burst: int, profile: Profile) -> tuple[Outcome, float]:
    """What the check finds at an nginx that limits as told, and how old the run is then."""
    target = replace(TARGET, edge=replace(TARGET.edge, rate_per_minute=rate, burst=burst), profile=profile)
    edge = Edge(limiter=Nginx(rate, burst), target=target)
    probe = edge.probe()
    for _ in range(OTHERS):
        probe.send("GET", "/api/healthz")
        edge.clock.sleep(0.3)
    return rate_limit.CHECK.run(probe).outcome, edge.clock()


def of(burst: int, profile: Profile) -> Provable:
    return Provable(burst=burst, edges=1, few=profile == "prod")


@pytest.mark.parametrize("profile", ["full", "prod"])
@pytest.mark.parametrize("burst", [10, 15])
def test_at_the_least_rate_a_run_ends_in_time_and_well_below_it_never(profile: Profile, burst: int) -> None:
    least = of(burst, profile).least_rate

    outcome, seconds = checked(least, burst, profile)
    assert (outcome, seconds < HARD_STOP_SECONDS) == (Outcome.PASS, True)
    assert checked(least * 3 // 4, burst, profile)[1] > HARD_STOP_SECONDS


@pytest.mark.parametrize("profile", ["full", "prod"])
def test_the_least_burst_is_decided_and_none_at_all_is_not_where_few_are_sent(profile: Profile) -> None:
    assert checked(60, of(0, profile).least_burst, profile)[0] is Outcome.PASS
    assert (checked(60, 0, profile)[0] is Outcome.PASS) == (profile == "full")


@pytest.mark.parametrize("rate", [10, 60, 100])
def test_the_next_run_does_not_wait_longer_than_one_may_last(rate: int) -> None:
    most = most_burst(rate)

    waits = [run.drain_seconds(replace(TARGET.edge, rate_per_minute=rate, burst=burst)) for burst in (most, most + 2)]
    assert waits[0] <= SECONDS < waits[1]


def test_no_rate_makes_room_for_a_burst_that_takes_the_model_too_long() -> None:
    assert most_burst(6000) == MOST_BURST
