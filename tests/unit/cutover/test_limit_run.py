"""What the rate check sends and how it judges, before one and several simulated edges, with and without a neighbour.

`python -m bench.limit_runs` counts wrong rulings over thousands of such runs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest

from cutover.smoke.limit_run import (
    MOST_STEPS,
    Judgement,
    Plan,
    Ruling,
    at_once,
    fast,
    judge,
    paced,
    pauses,
    settle_seconds,
    sparse,
)
from cutover.smoke.limiter import Limit, steps
from cutover.smoke.provable import most_burst
from tests.support.edge_double import Nginx, NoLimit
from tests.support.limited import Answer, Balancer, Edges, Neighbour

LIMIT = Limit.of(60, 10)
Limiter = Callable[[], Nginx | NoLimit]
OTHERS: dict[str, Limiter] = {
    "no limit": NoLimit,
    "30/min with burst 10": lambda: Nginx(30, 10),
    "120/min with burst 10": lambda: Nginx(120, 10),
    "60/min with burst 0": lambda: Nginx(60, 0),
    "60/min with burst 20": lambda: Nginx(60, 20),
}


def right() -> Nginx:
    return Nginx(60, 10)


def run(
    plan: Plan,
    *limiters: Limiter,
    seed: int = 0,
    neighbour: Neighbour = "none",
    balancer: Balancer = "takes turns",
    way: tuple[float, float] = (0.0002, 0.002),
    waits: Sequence[float] = (),
) -> Judgement:
    """What the check says in the end."""
    made = [limiter() for limiter in limiters]
    edges = Edges(
        limiters=made, dice=random.Random(f"{seed} {neighbour}"), balancer=balancer, neighbour=neighbour, way=way
    )
    return edges.judged(plan, LIMIT, waits)[0]


@pytest.mark.parametrize("neighbour", ["none", "poisson", "even"])
@pytest.mark.parametrize("seed", range(3))
def test_the_right_limit_holds_whoever_else_sends_at_up_to_seven_tenths_of_its_rate(
    neighbour: Neighbour, seed: int
) -> None:
    judgement = run(fast(LIMIT, 1), right, seed=seed, neighbour=neighbour, waits=pauses(LIMIT))

    assert (judgement.ruling, judgement.clause) == (Ruling.HOLDS, "60/min with burst 10")


@pytest.mark.parametrize("neighbour", ["none", "poisson", "even"])
@pytest.mark.parametrize("other", OTHERS)
def test_another_limit_is_named_with_and_without_a_neighbour(other: str, neighbour: Neighbour) -> None:
    judgement = run(fast(LIMIT, 1), OTHERS[other], neighbour=neighbour, waits=pauses(LIMIT))

    assert judgement.ruling is Ruling.BROKEN, judgement.clause
    assert judgement.clause.endswith(", not 60/min with burst 10")
    if neighbour == "none":
        assert judgement.clause.startswith(f"edge-0 answered as with {other},")


@pytest.mark.parametrize("other", ["30/min with burst 10", "120/min with burst 10", "no limit"])
def test_answers_that_take_up_to_a_fifth_of_a_second_hide_nothing(other: str) -> None:
    plan = Plan(due=fast(LIMIT, 1).due, lanes=12)

    assert run(plan, right, way=(0.0005, 0.1)).ruling is Ruling.HOLDS
    assert run(plan, OTHERS[other], way=(0.0005, 0.1), waits=pauses(LIMIT)).ruling is Ruling.BROKEN


@pytest.mark.parametrize("balancer", ["takes turns", "least outstanding"])
@pytest.mark.parametrize("count", [1, 2, 6])
def test_what_makes_each_edge_refuse_and_six_more_prove_the_limit_of_each(count: int, balancer: Balancer) -> None:
    plan, way = sparse(LIMIT, count, at_once(LIMIT, count) + 6), (0.01, 0.02)

    assert run(plan, *[right] * count, balancer=balancer, way=way).ruling is Ruling.HOLDS
    for other in ("30/min with burst 10", "120/min with burst 10", "60/min with burst 20"):
        assert run(plan, *[OTHERS[other]] * count, balancer=balancer, way=way).ruling is not Ruling.HOLDS
    assert run(plan, *[NoLimit] * count, balancer=balancer, way=way).ruling is Ruling.BROKEN


def test_the_one_edge_of_two_that_does_not_limit_is_named() -> None:
    judgement = run(sparse(LIMIT, 2, 30), right, NoLimit)

    assert judgement.ruling is Ruling.BROKEN
    assert judgement.clause == "edge-1 answered as with no limit, not 60/min with burst 10"


def test_an_edge_whose_limit_was_never_reached_is_no_proof() -> None:
    burst = [Answer(sent=number / 1000, received=number / 1000 + 0.001, limited=number > 10) for number in range(60)]
    other = Answer(sent=0.1, received=0.2, limited=False, edge="edge-1")

    judgement = judge([*burst, other], LIMIT)

    assert (judgement.ruling, judgement.clause) == (Ruling.UNDECIDED, "the limit was never reached at edge-1")


def test_a_burst_alone_tells_no_rate() -> None:
    judgement = run(Plan(due=[0.0] * 12), right)

    assert judgement.ruling is Ruling.UNDECIDED
    assert judgement.clause.startswith("too few answers tell 60/min with burst 10 from ")


def test_no_answers_are_no_proof() -> None:
    assert judge([], LIMIT) == Judgement(ruling=Ruling.UNDECIDED, clause="no edge has answered", points=[])


def test_a_refusal_that_no_edge_signed_is_a_failure_that_says_so() -> None:
    answers = Edges(limiters=[right()], dice=random.Random(1)).answers(fast(LIMIT, 1))
    foreign = Answer(sent=answers[-1].sent, received=answers[-1].received, limited=True, edge=None)

    judgement = judge([*answers, foreign], LIMIT)

    assert judgement.ruling is Ruling.BROKEN
    assert judgement.clause == "1 refused without an X-Edge-Id: by a firewall or somebody else, not by nginx"


def test_the_paced_run_passes_60_of_65_and_proves_the_limit() -> None:
    judgement = run(paced(LIMIT), right)

    assert judgement.ruling is Ruling.HOLDS
    assert sum(point.passed for point in judgement.points) == 60
    for other in ("30/min with burst 10", "120/min with burst 10"):
        assert run(paced(LIMIT), OTHERS[other]).ruling is Ruling.BROKEN


def test_the_plot_has_each_request_with_what_the_model_expected_of_it() -> None:
    points = run(fast(LIMIT, 1), right).points

    assert [point.at for point in points] == sorted(point.at for point in points)
    assert points[0].at == 0
    assert {point.edge for point in points} == {"edge-0"}
    assert [point.passed for point in points[:65]] == [True] * 11 + [False] * 54
    assert all(point.low <= point.high for point in points)
    assert points[0].low == 0
    assert points[64].low > 10


def test_samples_in_another_order_are_judged_the_same() -> None:
    answers: Sequence[Answer] = Edges(limiters=[right(), right()], dice=random.Random(2)).answers(fast(LIMIT, 2))

    assert judge(answers[::-1], LIMIT) == judge(answers, LIMIT)


@pytest.mark.parametrize(("edges", "budget"), [(1, 18), (2, 42), (6, 114), (6, 40), (1, 0)])
def test_the_sparse_run_uses_up_its_budget_and_no_more(edges: int, budget: int) -> None:
    plan = sparse(LIMIT, edges, budget)

    assert len(plan.due) == budget
    assert plan.due.count(0) == min(budget, 12 if edges == 1 else 18 * edges)
    assert list(plan.due) == sorted(plan.due)


@pytest.mark.parametrize("rate_per_minute", [60, 600])
def test_the_fast_run_begins_with_the_playbooks_65_and_takes_the_time_of_some_six_requests(
    rate_per_minute: int,
) -> None:
    plan = fast(Limit.of(rate_per_minute, 10), 1)

    assert plan.due.count(0) == 65
    assert 5 < plan.due[-1] * rate_per_minute / 60 < 6.5


def test_own_requests_have_drained_when_the_run_begins() -> None:
    answers = Edges(limiters=[right()], dice=random.Random(3)).answers(Plan(due=[0.0] * 5), start=0.0)

    assert settle_seconds(answers, LIMIT, 1.0) == pytest.approx(4.0, abs=0.05)
    assert settle_seconds(answers, LIMIT, 9.0) == 0
    assert settle_seconds([], LIMIT, 9.0) == 0


@pytest.mark.timeout(20)
def test_answers_that_nobody_could_judge_in_time_decide_nothing_at_once() -> None:
    limit = Limit.of(6000, 500)
    edges = Edges(limiters=[Nginx(6000, 500)], dice=random.Random(0))

    judgement = judge(edges.answers(fast(limit, 1)), limit)

    assert judgement.ruling is Ruling.UNDECIDED
    assert judgement.clause == "603 answers with burst 500 are more than can be judged: lower edge.burst"
    assert not judgement.points, "a pack is drawn by the same arithmetic"


@pytest.mark.parametrize(
    ("rate", "way"),
    [*((rate, (0.0002, 0.002)) for rate in (60, 110, 600, 6000)), *((rate, (0.01, 0.03)) for rate in (60, 110, 600))],
)
def test_each_limit_that_settings_take_is_still_judged(rate: int, way: tuple[float, float]) -> None:
    limit = Limit.of(rate, most_burst(rate))
    edges = Edges(limiters=[Nginx(rate, limit.burst)], dice=random.Random(0), way=way)

    assert steps(edges.answers(fast(limit, 1)), limit) <= MOST_STEPS
