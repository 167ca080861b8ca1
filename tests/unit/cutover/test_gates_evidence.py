"""The gates' evidence: how often it trips at the limit and how soon over it, computed exactly."""

from __future__ import annotations

import time
from itertools import islice
from math import exp, log

import pytest

from cutover.gates.evidence import (
    FAILS_AT,
    LEAST,
    Tally,
    combined,
    evidence,
    evidence_above,
    failed,
    needed,
    restarts,
)
from cutover.rollout.phases import PHASES
from tests.support.exact import median, tripped, tripped_above, tripped_anew, yet

LIMITS = sorted({gate.limit for phase in PHASES for gate in phase.gates if gate.limit and not gate.above})
ABOVE = {gate.limit for phase in PHASES for gate in phase.gates if gate.above}


@pytest.mark.parametrize("limit", LIMITS)
def test_at_the_limit_a_gate_fails_once_in_a_thousand_phases_at_most_however_long_they_are(limit: float) -> None:
    requests = int(100 / limit)
    *_, (gone, alive) = islice(tripped(limit, limit), requests)

    assert gone + yet(limit, requests, alive) <= 1 / 1000
    assert gone > 1 / 10_000, "it is no better than it must be: it is also to find something"


@pytest.mark.parametrize("limit", LIMITS)
def test_at_five_times_the_limit_half_of_the_phases_have_failed_after_three_divided_by_the_limit(limit: float) -> None:
    assert median(limit, 5 * limit, points=restarts(24 * 3600)) <= 3 / limit


@pytest.mark.parametrize("first", [50, 150])
def test_counting_anew_leaves_the_bound_as_it_is(first: int) -> None:
    gone = tripped_anew(0.05, 0.05, first=first, last=300)

    assert gone <= 1 / 1000
    assert gone > 1 / 100_000


def test_what_went_well_for_twelve_hours_hides_no_fault_for_long() -> None:
    """Ten requests a second, one in a thousand bad, then one in ten."""
    clean, points = 12 * 3600 * 10, restarts(24 * 3600)

    def fails(late: int, *, anew: bool) -> bool:
        whole = evidence(0.01, Tally(clean / 1000 + late / 10, clean + late))
        since = [evidence(0.01, Tally(9_000 / 1000 + late / 10, 9_000 + late))] if anew else []
        return combined(whole, since, points) >= log(FAILS_AT)

    assert next(late for late in range(10, 100_000, 10) if fails(late, anew=True)) < 300 * 10
    assert not fails(5_000 * 10, anew=False)


def test_a_phase_without_points_is_judged_by_the_whole_of_it() -> None:
    assert combined(1.5, [], 0) == 1.5
    assert restarts(60) == 0
    assert restarts(1800) == 4
    assert exp(combined(log(10), [log(30), log(50)], 2)) == pytest.approx(10 / 2 + 30 / 4 + 50 / 4)


@pytest.mark.parametrize("stables", [0.001, 0.01, 0.05])
def test_the_comparison_with_stable_fails_once_in_a_thousand_at_most_where_the_candidate_is_at_its_limit(
    stables: float,
) -> None:
    (limit,) = ABOVE

    *_, gone = islice(tripped_above(limit, stables, stables + limit), 300)

    assert gone <= 1 / 1000


def test_the_comparison_finds_a_candidate_that_fails_one_request_in_ten() -> None:
    (limit,) = ABOVE

    *_, gone = islice(tripped_above(limit, 0.002, 0.1), 200)

    assert gone >= 0.5


def test_the_ratio_is_the_mean_over_shares_above_the_limit() -> None:
    alternatives = [0.1 * multiple for multiple in (1.5, 2, 3, 5)]
    ratios = [(share / 0.1) ** 3 * ((1 - share) / 0.9) ** 4 for share in alternatives]

    assert exp(evidence(0.1, Tally(3, 7))) == pytest.approx(sum(ratios) / len(ratios))


def test_the_comparison_divides_by_the_likeliest_pair_of_shares_that_respect_the_limit() -> None:
    """Against a search: a divisor that is too small would be evidence that nobody has seen."""
    seen, stable, limit = Tally(30, 400), Tally(4, 500), 0.01

    def likelihood(share: float) -> float:
        return 30 * log(share + limit) + 370 * log(1 - share - limit) + 4 * log(share) + 496 * log(1 - share)

    averaged = log(integral(30, 370, 1, 20)) + log(integral(4, 496, 0.5, 100))
    best = max(likelihood(step / 1e5) for step in range(1, 10_000))

    assert evidence_above(limit, seen, stable) == pytest.approx(averaged - best, abs=0.02)


def integral(bad: int, good: int, a: float, b: float, steps: int = 200_000) -> float:
    """The likelihood averaged over a beta distribution, by the rule of the middle."""
    grid = [(step + 0.5) / steps for step in range(steps)]
    whole: float = sum(share ** (a - 1) * (1 - share) ** (b - 1) for share in grid)
    part: float = sum(share ** (bad + a - 1) * (1 - share) ** (good + b - 1) for share in grid)
    return part / whole


def test_stable_without_traffic_is_no_evidence_against_a_candidate() -> None:
    assert evidence_above(0.005, Tally(500, 500), Tally(0, 0)) < 0
    assert evidence_above(0.005, Tally(250, 500), Tally(250, 500)) < 0
    assert evidence_above(0.005, Tally(0, 0), Tally(0, 0)) == 0


def test_a_gate_fails_after_20_requests_at_the_earliest() -> None:
    assert not failed(evidence(0.02, Tally(19, 19)), Tally(19, 19))
    assert failed(evidence(0.02, Tally(19, 20)), Tally(19, 20))
    assert (LEAST, FAILS_AT) == (20, 1000)


def test_a_pass_needs_three_divided_by_the_limit() -> None:
    assert [needed(limit) for limit in (0.01, 0.02, 0.05)] == [300, 150, 60]


def test_a_million_requests_cost_what_ten_do() -> None:
    began = time.process_time()
    for _ in range(200):
        assert evidence(0.01, Tally(9_000, 1_000_000)) < 0
        assert evidence_above(0.005, Tally(9_000, 1_000_000), Tally(9_000, 1_000_000)) < 0
    assert time.process_time() - began < 1
