"""The model of the limiter against nginx's own arithmetic."""

from __future__ import annotations

import math
import random

import pytest

from cutover.smoke.limiter import STRAY, Bucket, Limit, Sample
from tests.support.edge_double import Clock, Nginx
from tests.support.limited import Answer

LIMIT = Limit.of(60, 10)


def observe(limiter: Nginx, pauses: list[float], dice: random.Random, longest: float = 0.03) -> list[Answer]:
    """One client's requests, a pause before each, the decision anywhere between sending and receiving."""
    clock, seen = Clock(now=dice.uniform(1000, 2000)), []
    for pause in pauses:
        clock.sleep(pause)
        sent = clock()
        clock.sleep(0.0001 + longest * dice.random() ** 4)
        # nginx reads the clock once per event loop, so its time may be a little old.
        passed = limiter.passes(clock() - dice.uniform(0, 0.002))
        clock.sleep(0.0001 + longest * dice.random() ** 4)
        seen.append(Answer(sent=sent, received=clock(), limited=not passed))
    return seen


def probabilities(seen: list[Answer], limit: Limit, neighbour: float = 0.0) -> list[float]:
    """How probable the model found each answer, after those before it."""
    bucket, found, before = Bucket(limit, neighbour), [], 0.0
    for answer in seen:
        bucket.meet(answer)
        found.append(math.exp(bucket.likelihood - before))
        before = bucket.likelihood
    return found


def traffic(dice: random.Random) -> list[float]:
    """Burst, pause, burst, and now and then a lone request in between."""
    pauses: list[float] = []
    for _ in range(dice.randint(2, 5)):
        pauses += [dice.uniform(0, 14), *([0.0] * dice.randint(0, 70))]
        pauses += [dice.uniform(0, 2) for _ in range(dice.randint(0, 8))]
    return pauses


@pytest.mark.parametrize("rate_per_minute", [60, 1, 7, 50, 119, 600])
def test_no_answer_of_a_true_nginx_is_like_one_that_the_limit_does_not_explain(rate_per_minute: int) -> None:
    for seed in range(30):
        dice = random.Random(f"{rate_per_minute} {seed}")
        # Paces are in seconds of a 60/min limiter: a slower one needs longer pauses for the same picture.
        pauses = [pause * 60 / rate_per_minute for pause in traffic(dice)]
        seen = observe(Nginx(rate_per_minute, 10), pauses, dice)

        assert min(probabilities(seen, Limit.of(rate_per_minute, 10))) > 100 * STRAY, f"seed {seed}"


def test_a_clock_that_nginx_read_two_milliseconds_ago_makes_nothing_impossible() -> None:
    limiter = Nginx(60, 10)
    burst = [Answer(sent=1000.0005, received=1000.0005, limited=not limiter.passes(1000.0005)) for _ in range(11)]
    late = Answer(sent=1001.0015, received=1001.0015, limited=not limiter.passes(1000.9995))

    assert late.limited, "a second has passed for the client and 999 ms for nginx"
    assert probabilities([*burst, late], LIMIT)[-1] > 0.1


def test_the_model_is_not_merely_undecided() -> None:
    seen: list[Sample] = [*observe(Nginx(60, 10), [0.0] * 65, random.Random(1), longest=0.002)]
    bucket = Bucket(LIMIT, 0.0)

    found = [bucket.meet(each) for each in seen]

    assert [round(high) for _, high in found] == [*range(11), *[11] * 54]
    assert all(high - low < 0.2 for low, high in found)


def test_a_neighbour_widens_what_is_known_and_nobody_else_does() -> None:
    [first] = observe(Nginx(60, 10), [0.0], random.Random(1))

    assert Bucket(LIMIT, 0.0).meet(first) == (0, 0)
    low, high = Bucket(LIMIT, 0.7).meet(first)
    assert low == 0
    assert 3 < high < 9


def test_65_requests_back_to_back_from_idle_pass_11_times() -> None:
    seen = observe(Nginx(60, 10), [0.0] * 65, random.Random(1), longest=0.002)

    assert [one.limited for one in seen] == [False] * 11 + [True] * 54


def test_65_requests_at_a_pace_of_775_ms_pass_60_times_and_are_refused_5_times() -> None:
    limiter = Nginx(60, 10)

    passed = [limiter.passes(1000 + 0.775 * n) for n in range(65)]

    assert (passed.count(True), passed.count(False)) == (60, 5)


@pytest.mark.parametrize(
    ("limit", "others"),
    [
        (
            Limit.of(60, 10),
            ["30/min, burst 10", "120/min, burst 10", "60/min, burst 0", "60/min, burst 5", "60/min, burst 20"],
        ),
        (Limit.of(60, 0), ["30/min, burst 0", "120/min, burst 0", "60/min, burst 5"]),
    ],
)
def test_a_limit_is_told_from_half_and_twice_of_it(limit: Limit, others: list[str]) -> None:
    assert [str(other).replace(" with", ",") for other in limit.others()] == others
