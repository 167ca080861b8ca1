"""The compared rules decide as their sources say: each on the examples of its documentation or its own tests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf
from pathlib import Path
from random import Random

import pytest

from bench.gates import kayenta
from bench.gates.compare import RULES, good, results, traffics
from bench.gates.kayenta import Kayenta
from bench.gates.recorded import recorded, verdicts
from bench.gates.rules import LIMIT, Alarm, Argo, Ending, Evidence, Flagger, Rule, Threshold, Verdict
from bench.gates.tables import without_traffic
from bench.gates.traffic import STEP, Track, Traffic, bursts, late, ramp, simulated, steady
from cutover.gates.counts import TrackCounts
from cutover.gates.evidence import Tally
from cutover.gates.probe import Probes
from cutover.gates.samples import SAMPLES, Sample
from cutover.rollout.phases import PHASES
from tests.support.judged import REAL, WELL, counted

PAGE = Path(__file__).parents[2] / "docs" / "gates.md"
GOOD, BAD, NONE = Tally(0, 100), Tally(3, 100), Tally(0, 0)
STEPS = {"0": False, "X": True, "-": None}


def minutes(*tallies: Tally, each: int = 60) -> Traffic:
    """What the candidate was asked, minute by minute or as told; stable the same, and nothing of that was bad."""
    steps = [tally if step == 0 else NONE for tally in tallies for step in range(each // STEP)]
    return Traffic(Track(steps), Track([Tally(0, tally.of) for tally in steps]))


def judged(rule: Rule, *tallies: Tally, each: int = 60) -> tuple[Ending, float]:
    ending, at = rule.judge(minutes(*tallies, each=each))
    return ending, at / 60


def test_flagger_promotes_after_interval_times_max_weight_by_step_weight() -> None:
    assert judged(Flagger(), *[GOOD] * 30) == (Ending.PASSED, 10)


def test_flagger_rolls_back_by_the_check_after_the_one_that_reaches_the_threshold() -> None:
    assert judged(Flagger(threshold=10), *[BAD] * 30) == (Ending.ROLLED_BACK, 11)
    assert judged(Flagger(threshold=1), *[BAD] * 30) == (Ending.ROLLED_BACK, 2)


def test_flagger_counts_failed_checks_over_the_whole_analysis_whatever_is_between_them() -> None:
    assert judged(Flagger(threshold=2), BAD, GOOD, GOOD, BAD, GOOD) == (Ending.ROLLED_BACK, 5)


def test_a_check_of_flagger_without_a_value_has_failed_and_one_at_the_limit_has_not() -> None:
    assert judged(Flagger(threshold=3), *[NONE] * 5) == (Ending.ROLLED_BACK, 4)
    assert judged(Flagger(threshold=1), *[Tally(2, 100)] * 12) == (Ending.PASSED, 10)


def test_argo_aborts_at_the_failure_after_the_failure_limit_in_a_row_or_not() -> None:
    assert judged(Argo(), *[BAD] * 12, each=300) == (Ending.ROLLED_BACK, 20)
    assert judged(Argo(), BAD, GOOD, BAD, BAD, GOOD, BAD, each=300) == (Ending.ROLLED_BACK, 30)
    assert judged(Argo(), BAD, GOOD, BAD, BAD, GOOD, GOOD, each=300) == (Ending.PASSED, 30)


def test_argo_is_successful_after_its_count_of_measurements() -> None:
    assert judged(Argo(interval=60, failure_limit=0, count=5), *[GOOD] * 9) == (Ending.PASSED, 5)


def test_a_measurement_of_argo_that_is_not_a_number_has_failed_without_a_failure_condition() -> None:
    assert judged(Argo(failure_limit=1), GOOD, NONE, NONE, NONE, each=300) == (Ending.ROLLED_BACK, 15)


def test_argo_pauses_where_neither_of_two_conditions_holds() -> None:
    both = Argo(fails_at=0.1)
    assert judged(both, GOOD, Tally(5, 100), GOOD, each=300) == (Ending.HELD, 10)
    assert judged(both, GOOD, NONE, GOOD, each=300) == (Ending.HELD, 10)
    assert judged(both, *[Tally(11, 100)] * 5, each=300) == (Ending.ROLLED_BACK, 20)


def test_argo_aborts_at_the_fifth_error_in_a_row_since_an_empty_answer_is_one() -> None:
    assert judged(Argo(), *[NONE] * 12, each=300) == (Ending.ROLLED_BACK, 20)
    assert judged(Argo(), NONE, NONE, NONE, *[GOOD] * 3, each=300) == (Ending.PASSED, 30)


@pytest.mark.parametrize(
    ("points", "reach", "state"),
    [
        (3, "0-X-X", "OK"),
        (3, "0----", "OK"),
        (3, "-----", "INSUFFICIENT_DATA"),
        (3, "0XX-X", "ALARM"),
        (3, "----X", "INSUFFICIENT_DATA"),
        (3, "X----", "ALARM"),
        (2, "0-X-X", "ALARM"),
        (2, "00X0X", "ALARM"),
        (2, "0-X--", "OK"),
        (2, "----0", "OK"),
        (2, "----X", "INSUFFICIENT_DATA"),
    ],
)
def test_an_alarm_has_the_state_of_the_tables_of_cloudwatchs_documentation(points: int, reach: str, state: str) -> None:
    assert Alarm(points=points, periods=3).state([STEPS[point] for point in reach]) == state


def test_an_alarm_rolls_back_at_the_end_of_the_period_in_which_so_many_breach() -> None:
    assert judged(Alarm(), BAD, GOOD, BAD, GOOD) == (Ending.ROLLED_BACK, 3)
    assert judged(Alarm(), BAD, GOOD, GOOD, BAD) == (Ending.PASSED, 4)
    assert judged(Alarm(points=1, periods=1), GOOD, BAD) == (Ending.ROLLED_BACK, 2)
    assert judged(Alarm(), *[NONE] * 5) == (Ending.PASSED, 5)


HIGHER, LOWER = (20.0, 22.0, 21.0, 25.0, 30.0), (1.0, 2.2, 1.1, 2.5, 3.0)


@pytest.mark.parametrize(("allowed", "high"), [(1.0, True), (5.0, True), (13.0, False)])
def test_kayenta_classifies_as_its_own_tests_want_it(allowed: float, high: bool) -> None:
    judge = Kayenta(tolerance=0.10, confidence=0.95, allowed_increase=allowed)
    assert judge.high(HIGHER, LOWER) is high


@pytest.mark.parametrize(
    ("candidate", "stable"), [((1.0, 1.0, 1.0), (1.0, 1.0)), ((1.0, 2.0, 3.0), (3.0, 2.0, 1.0)), (LOWER, HIGHER)]
)
def test_kayenta_passes_what_is_tied_the_same_or_lower(candidate: Sequence[float], stable: Sequence[float]) -> None:
    assert not Kayenta().high(candidate, stable)


def test_kayenta_takes_many_zeros_and_a_few_errors_for_high_beside_fewer_since_its_roots_are_near_and_not_exact() -> (
    None
):
    """As its test with the large input: both ends of the interval are 0 but for the search's precision."""
    some, few = [2.0, 3.0] * 32 + [0.0] * 156, [2.0] * 17 + [0.0] * 203
    lower, estimate = kayenta.shift(some, few, 0.95)
    assert 1e-6 < lower < 1e-4
    assert 1e-6 < estimate < 1e-4
    assert Kayenta(tolerance=0.10, confidence=0.95).high(some, few)


def test_the_mann_whitney_statistic_is_rs() -> None:
    """W = 35 for the example of R's help on wilcox.test (Hollander and Wolfe 1973, page 69), 10 against 5 values."""
    at = (0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46)
    age = (1.15, 0.88, 0.90, 0.74, 1.21)
    assert kayenta._statistic(at, age)(0) == pytest.approx((35 - 25 - 0.5) / (10 * 5 / 12 * 16) ** 0.5)


def test_the_shift_between_two_samples_is_found_and_is_within_its_interval() -> None:
    stable = [0.1 * step**1.3 for step in range(40)]
    lower, estimate = kayenta.shift([value + 7 for value in stable], stable, 0.98)
    assert estimate == pytest.approx(7, abs=0.1)
    assert 5 < lower < estimate


def test_kayenta_judges_at_the_end_and_fails_a_canary_without_data() -> None:
    judge = Kayenta(interval=600)
    assert judged(judge, *[Tally(bad, 100) for bad in (5, 6, 7, 8, 9, 10, 11, 12, 13, 14)]) == (Ending.ROLLED_BACK, 10)
    assert judged(judge, *[GOOD] * 10) == (Ending.PASSED, 10)
    assert judged(judge, *[NONE] * 10) == (Ending.ROLLED_BACK, 10)


def test_outliers_are_left_out_beyond_three_quartile_ranges_and_never_within_the_hundredths() -> None:
    assert kayenta.percentile([4, 1, 3, 2], 25) == 1.25
    assert kayenta.percentile([4, 1, 3, 2], 99) == 4
    many = [*range(200)]
    assert kayenta.without_outliers([-500, *many, 700]) == many
    assert kayenta.without_outliers([*range(10), 1000]) == [*range(10), 1000], (
        "the last hundredth of eleven is the last"
    )


def test_a_threshold_looks_at_its_window_alone_as_soon_as_enough_is_in_it() -> None:
    rule = Threshold(window=60, least=100)
    assert judged(rule, GOOD, Tally(3, 99), GOOD) == (Ending.PASSED, 3)
    assert rule.judge(minutes(GOOD, BAD, GOOD)) == (Ending.ROLLED_BACK, 70)


def test_ours_fails_by_its_evidence_passes_with_enough_and_else_asks_a_person() -> None:
    assert Evidence().judge(minutes(Tally(20, 20))) == (Ending.ROLLED_BACK, 10)
    assert judged(Evidence(), Tally(19, 19)) == (Ending.HELD, 1)
    assert judged(Evidence(), Tally(0, 149)) == (Ending.HELD, 1)
    assert judged(Evidence(), Tally(3, 150)) == (Ending.PASSED, 1)
    assert judged(Evidence(), Tally(4, 150)) == (Ending.HELD, 1)


@pytest.mark.parametrize("rate", [0.1, 50.0])
def test_simulated_traffic_has_the_rate_and_the_share(rate: float) -> None:
    track = simulated(Random(1), rate, steady(0.1, 200_000), steady(0.0, 10)).candidate
    seen = track.between(0, track.seconds)
    assert seen.of / track.seconds == pytest.approx(rate, rel=0.03)
    assert seen.share == pytest.approx(0.1, rel=0.06)


def test_bursts_a_ramp_and_a_late_fault_have_the_shares_that_they_promise() -> None:
    shares = bursts(Random(1), 0.01, 1_000_000)
    begun = sum(now > before for before, now in pairwise(shares))
    assert sum(shares) / len(shares) == pytest.approx(0.01, rel=0.1)
    assert shares.count(0.3) * STEP / begun == pytest.approx(20, rel=0.1), "a burst's seconds"
    assert set(shares) == {0.0, 0.3}
    assert ramp(0.1, 40) == pytest.approx([0.0125, 0.0375, 0.0625, 0.0875])
    assert late(0.0, 0.1, 40) == [0.0, 0.0, 0.1, 0.1]


def test_the_same_run_has_the_same_traffic() -> None:
    def counted() -> list[Tally]:
        return [each.candidate.between(0, 3600) for each in traffics(3, 2.0, "a", lambda chance: good(chance, 0.1))]

    assert counted() == counted()
    assert len(set(counted())) == 3


class Scripted:
    """A rule that says what it is told to."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = iter(verdicts)

    def judge(self, traffic: Traffic) -> Verdict:
        return next(self.verdicts)


def test_a_result_counts_endings_and_takes_the_median_of_all_runs_from_the_faults_beginning_on() -> None:
    over = [minutes(*[GOOD] * 4)] * 4
    early, soon, late_ = (Verdict(Ending.ROLLED_BACK, at) for at in (60, 130, 180))
    found = dict(
        results(
            {
                "half": Scripted(soon, late_, early, Verdict(Ending.PASSED, 240)),
                "fewer": Scripted(soon, *[Verdict(Ending.HELD, 240)] * 3),
            },
            over,
            120,
        )
    )
    assert found["half"].endings == {Ending.ROLLED_BACK: 0.75, Ending.PASSED: 0.25, Ending.HELD: 0}
    assert (found["half"].seconds, found["half"].requests) == (60, 100)
    assert found["fewer"].seconds == inf


def test_at_half_the_limit_ours_rolls_back_nothing_and_a_threshold_most() -> None:
    rules = {name: RULES[name] for name in ("threshold", "ours")}
    found = dict(results(rules, list(traffics(30, 0.5, "good", lambda chance: good(chance, LIMIT / 2)))))
    assert found["ours"].endings[Ending.ROLLED_BACK] == 0
    assert found["threshold"].endings[Ending.ROLLED_BACK] > 0.8


def recording(path: Path, *errors: int) -> Path:
    """A look each 15 s at 10 requests a second, with so many errors until then; then the next phase's first look."""
    for phase, seconds, bad in (*((0, 15 * look, bad) for look, bad in enumerate(errors, 1)), (1, 5, 0)):
        own = TrackCounts(asked=seconds * 10, requests=seconds * 10, errors=bad)
        stable = TrackCounts(asked=seconds * 20, requests=seconds * 20)
        Sample(
            **vars(counted(own, stable, seconds=seconds)),
            rollout="r1",
            phase=PHASES[phase].name,
            hold=60,
            gates=PHASES[phase].gates,
            adapters={"stable": REAL, "candidate": REAL},
            probes=Probes(stable=WELL, candidate=WELL),
        ).append_to(path)
    return path / SAMPLES


def test_recorded_samples_are_judged_phase_by_phase_in_the_steps_of_their_looks(tmp_path: Path) -> None:
    phases = recorded(recording(tmp_path, 1, 20, 40))
    canary = phases["r1, canary"]

    assert phases.keys() == {"r1, canary", "r1, staged"}
    assert [canary.candidate.between(now - STEP, now) for now in canary.looks] == [
        Tally(0, 0),
        Tally(1, 150),
        Tally(19, 150),
        Tally(0, 0),
        Tally(20, 150),
    ]
    assert canary.stable.between(0, 50) == Tally(0, 900)
    assert list(verdicts({"ours": RULES["ours"], "Kayenta": RULES["Kayenta"]}, phases)) == [
        "r1, canary: 40 errors of 450 requests in 50 s",
        "  ours                      rolled back after 30 s and 300 requests",
        "  Kayenta                   rolled back after 50 s and 450 requests",
        "r1, staged: 0 errors of 50 requests in 10 s",
        "  ours                      held        after 10 s and 50 requests",
        "  Kayenta                   rolled back after 10 s and 50 requests",
    ]


def test_the_page_says_of_each_rule_what_it_does_without_traffic() -> None:
    page = PAGE.read_text()
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ") and "min |" in line}
    assert rows.keys() == RULES.keys()
    assert {rule for rule in RULES if not rows[rule].endswith(f" {without_traffic(rule)} |")} == set()
