"""The model of the limiter against nginx's own arithmetic."""

from __future__ import annotations

import random

import pytest

from cutover.smoke.checks import rate_limit
from cutover.smoke.limiter import Observation, Prediction, judge
from cutover.smoke.probe import Sample
from outputs.smoke import SmokeTarget
from tests.support.edge_double import TARGET, Clock, Edge, Nginx, NoLimit, jitter, target


def observe(
    limiter: Nginx | NoLimit, pauses: list[float], dice: random.Random, longest: float = 0.03
) -> list[Observation]:
    """One client's requests, a pause before each, the decision anywhere between sending and receiving."""
    clock, seen = Clock(now=dice.uniform(1000, 2000)), []
    for pause in pauses:
        clock.sleep(pause)
        sent = clock()
        clock.sleep(0.0001 + longest * dice.random() ** 4)
        # nginx reads the clock once per event loop, so its time may be a little old.
        passed = limiter.passes(clock() - dice.uniform(0, 0.002))
        clock.sleep(0.0001 + longest * dice.random() ** 4)
        seen.append(Observation(sent=sent, received=clock(), limited=not passed))
    return seen


def judged(seen: list[Observation], target: SmokeTarget, *, idle_before: bool) -> str:
    """What the check says of these observations."""
    samples = [
        Sample(check="", method="GET", path="/", sent=each.sent, received=each.received, status=429 * each.limited)
        for each in seen
    ]
    return rate_limit.judged(samples, target, idle_before=idle_before)


def traffic(dice: random.Random) -> list[float]:
    """Burst, pause, burst, and now and then a lone request in between."""
    pauses: list[float] = []
    for _ in range(dice.randint(2, 5)):
        pauses += [dice.uniform(0, 14), *([0.0] * dice.randint(0, 70))]
        pauses += [dice.uniform(0, 2) for _ in range(dice.randint(0, 8))]
    return pauses


@pytest.mark.parametrize("idle", [True, False])
@pytest.mark.parametrize("rate_per_minute", [60, 1, 7, 50, 119, 600])
def test_a_true_nginx_never_gives_an_impossible_answer(rate_per_minute: int, idle: bool) -> None:
    for seed in range(60):
        dice = random.Random(f"{rate_per_minute} {idle} {seed}")
        limiter = Nginx(rate_per_minute, 10)
        earlier = 0 if idle else dice.randint(1, 15)
        # Paces are in seconds of a 60/min limiter: a slower one needs longer pauses for the same picture.
        pauses = [pause * 60 / rate_per_minute for pause in [0.0] * earlier + traffic(dice)]
        seen = observe(limiter, pauses, dice)[earlier:]
        changed = target(rate_per_minute=rate_per_minute)

        assert judged(seen, changed, idle_before=idle) == "", f"seed {seed}"


def test_a_clock_that_nginx_read_two_milliseconds_ago_makes_nothing_impossible() -> None:
    limiter = Nginx(60, 10)
    burst = [Observation(sent=1000.0005, received=1000.0005, limited=not limiter.passes(1000.0005)) for _ in range(11)]
    late = Observation(sent=1001.0015, received=1001.0015, limited=not limiter.passes(1000.9995))

    assert late.limited, "a second has passed for the client and 999 ms for nginx"
    assert judged([*burst, late], TARGET, idle_before=True) == ""


def test_the_model_is_not_merely_undecided() -> None:
    seen = observe(Nginx(60, 10), [0.0] * 65, random.Random(1), longest=0.002)

    predictions = [verdict.prediction for verdict in judge(seen, rate=1, burst=10, idle_before=True)]

    assert predictions[:11] == [Prediction.PASS] * 11
    assert predictions[11:] == [Prediction.REFUSE] * 54


def test_after_unknown_traffic_the_first_answers_are_ambiguous_and_the_pause_settles_it() -> None:
    seen = observe(Nginx(60, 10), [0.0] * 65 + [4.0, 0.0, 0.0], random.Random(1), longest=0.002)

    predictions = [verdict.prediction for verdict in judge(seen, rate=1, burst=10, idle_before=False)]

    assert predictions[0] is Prediction.AMBIGUOUS
    assert predictions[-3:] == [Prediction.PASS] * 3


@pytest.mark.parametrize(
    ("limiter", "what"),
    [
        (NoLimit(), "54 passed that 60/min with burst 10 refuses"),
        (Nginx(60, 5), "59 refused that 60/min with burst 10 passes"),
        (Nginx(60, 20), "10 passed that 60/min with burst 10 refuses"),
    ],
)
def test_another_burst_shows_in_65_back_to_back_requests_from_idle(limiter: Nginx | NoLimit, what: str) -> None:
    seen = observe(limiter, [0.0] * 65, random.Random(1), longest=0.002)

    assert judged(seen, TARGET, idle_before=True) == what


def test_65_requests_back_to_back_from_idle_pass_11_times() -> None:
    seen = observe(Nginx(60, 10), [0.0] * 65, random.Random(1), longest=0.002)

    assert [one.limited for one in seen] == [False] * 11 + [True] * 54


def test_65_requests_at_a_pace_of_775_ms_pass_60_times_and_are_refused_5_times() -> None:
    limiter = Nginx(60, 10)

    passed = [limiter.passes(1000 + 0.775 * n) for n in range(65)]

    assert (passed.count(True), passed.count(False)) == (60, 5)


def test_the_paced_run_fits_the_model_too() -> None:
    edge = Edge(latency=jitter(5, longest=0.004))
    probe = edge.probe()
    for _ in range(65):
        started = edge.clock()
        probe.send("GET", "/api/healthz")
        edge.clock.sleep(0.775 - (edge.clock() - started))

    taken = probe.samples.taken
    assert sum(not seen.limited for seen in taken) == 60
    assert rate_limit.judged(taken, TARGET, idle_before=True) == ""
