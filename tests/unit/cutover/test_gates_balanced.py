"""What the gates know on AWS, by the minute: which figures are which counts, and which minutes count."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cutover.errors import CutoverError, UnreachableError
from cutover.gates.balanced import SETTLES
from cutover.gates.counts import Counts
from cutover.gates.gate import Gate
from cutover.rollout.phases import PHASES
from outputs.log_figures import LogFigure
from outputs.release import Track
from tests.support.cloudwatch_double import MINUTE, Cloud
from tests.support.judged import BEGAN, MOCKS, REAL, Adapters

BOTH_REAL: Adapters = {"stable": REAL, "candidate": REAL}
TEN = range(10)
ALL = [gate for phase in PHASES for gate in phase.gates]


@pytest.fixture
def cloud() -> Cloud:
    """Ten minutes of a phase that have settled, with 100 requests each on both tracks."""
    return Cloud(began=BEGAN, now=BEGAN + 10 * MINUTE + SETTLES)


def counted(cloud: Cloud, adapters: Adapters = BOTH_REAL, **more: Any) -> Counts:
    return cloud.source().count(more.pop("since", BEGAN), adapters=adapters, **more)


def test_minutes_in_order_are_counted_to_the_one_and_in_one_question(cloud: Cloud) -> None:
    counts = counted(cloud)

    assert (counts.candidate.asked, counts.candidate.requests, counts.candidate.errors) == (1000, 1000, 0)
    assert (counts.observed, counts.until, counts.blind) == (600, BEGAN + 10 * MINUTE, [])
    [asked] = cloud.asked
    assert (asked["StartTime"], asked["EndTime"]) == (BEGAN, BEGAN + 10 * MINUTE)


def test_errors_are_5xx_and_whom_nobody_answered_but_for_those_who_left_at_once(cloud: Cloud) -> None:
    cloud.at("candidate", 2, failed=3, killed=5, given_up=4, left=6)
    own = counted(cloud).candidate

    assert own.errors == 3 + 5 + 4
    assert own.requests == 995, "no line tells of a request whose task was killed"


def test_429_is_kept_apart_by_who_said_it(cloud: Cloud) -> None:
    cloud.at("candidate", 1, limited=60, log={LogFigure.LIMITED_BY_APP: 7})
    own = counted(cloud).candidate

    assert (own.asked, own.requests, own.limited_by_edge, own.limited_by_app) == (1000, 940, 53, 7)


def test_what_is_slower_is_counted_by_the_balancer_beyond_each_bound(cloud: Cloud) -> None:
    cloud.at("candidate", 0, slow=[0.3] * 10 + [1.3] * 4 + [1.5] * 2 + [1.6] * 3)
    counts = counted(cloud)

    assert counts.slow_bound == 0.25
    assert counts.candidate.slower_than_1500ms == 3, "as long as the limit is within it"
    assert (counts.candidate.slower_than_1200ms, counts.candidate.slower_than_stable) == (9, 19)


def test_slower_than_stable_goes_by_stables_own_p95(cloud: Cloud) -> None:
    cloud.at("stable", slow=[0.6] * 10)
    cloud.at("candidate", slow=[0.6] * 20 + [1.1] * 5)
    counts = counted(cloud)

    assert counts.slow_bound == 0.75
    assert counts.candidate.slower_than_stable == 50


def test_fallbacks_are_what_stood_in_for_adapters_that_are_real(cloud: Cloud) -> None:
    log = {LogFigure.MOCK: 90, LogFigure.MOCK_AUDIT: 20, LogFigure.MOCK_QUEUE: 30, LogFigure.MOCK_EVIDENCE: 40}
    cloud.at("candidate", 0, log=log)
    cloud.at("stable", 0, log=log)
    counts = counted(cloud, {"stable": MOCKS, "candidate": {**MOCKS, "audit": "production", "queue": "production"}})

    assert (counts.stable.fallbacks, counts.candidate.fallbacks) == (0, 50)
    assert counted(cloud).candidate.fallbacks == 90


def test_audit_pushes_are_known_by_their_answers(cloud: Cloud) -> None:
    log = {LogFigure.AUDIT_WRITES: 50, LogFigure.AUDIT_ELSEWHERE: 5, LogFigure.AUDIT_SLOW: 2}
    cloud.at("candidate", log=log)
    cloud.at("stable", log={LogFigure.AUDIT_WRITES: 10})
    counts = counted(cloud)
    own = counts.candidate

    assert (own.audit_writes, own.audit_elsewhere, own.audit_timed, own.audit_slower_than_100ms) == (500, 50, 450, 20)
    assert counts.audit_per_minute == 60


def test_a_phase_that_begins_within_a_minute_is_counted_from_the_next_whole_one(cloud: Cloud) -> None:
    cloud.at("candidate", 0, failed=50)
    counts = counted(cloud, since=BEGAN + timedelta(seconds=1))

    assert (counts.candidate.requests, counts.candidate.errors, counts.observed) == (900, 0, 540)


@pytest.mark.parametrize(("seconds", "minutes"), [(-1, 9), (0, 10), (59, 10), (60, 11)])
def test_only_whole_minutes_that_have_settled_are_asked_for(cloud: Cloud, seconds: int, minutes: int) -> None:
    cloud.now += timedelta(seconds=seconds)
    counts = counted(cloud)

    assert (counts.until, counts.observed) == (BEGAN + minutes * MINUTE, minutes * 60)


def test_before_a_minute_has_settled_nothing_is_known_and_nothing_is_wrong(cloud: Cloud) -> None:
    cloud.now = BEGAN + timedelta(seconds=200)
    counts = counted(cloud)

    assert (counts.until, counts.observed, counts.candidate.asked, counts.blind) == (BEGAN, 0, 0, [])


@pytest.mark.parametrize(("late", "until", "blind"), [(4, 9, False), (5, 8, False), (6, 7, True)])
def test_the_window_ends_where_figures_do_and_later_than_two_minutes_is_no_data(
    cloud: Cloud, late: int, until: int, blind: bool
) -> None:
    cloud.late = late * MINUTE
    counts = counted(cloud)

    assert (counts.until, counts.candidate.asked) == (BEGAN + until * MINUTE, until * 100)
    why = ["CloudWatch has nothing of the load balancer since 06:07 UTC"]
    assert counts.blind == (why if blind else [])


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("HealthyHostCount", "the load balancer"),
        ("EdgeRequests-candidate", "candidate's log"),
        ("EdgeRequests-stable", "stable's log"),
        ("RequestCount", "stable's target group"),
        ("TargetResponseTime", "stable's target group"),
        ("HTTPCode_Target_2XX_Count", "stable's target group"),
    ],
)
def test_a_minute_without_one_of_its_figures_does_not_count_and_three_at_the_end_are_no_data(
    cloud: Cloud, missing: str, says: str
) -> None:
    cloud.absent = lambda name, number: name == missing and number in (3, 4)
    gap = counted(cloud)
    cloud.absent = lambda name, number: name == missing and number > 6
    end = counted(cloud)

    assert (gap.observed, gap.candidate.asked, gap.until, gap.blind) == (480, 800, BEGAN + 10 * MINUTE, [])
    assert end.blind == [f"CloudWatch has nothing of {says} since 06:07 UTC"]


@pytest.mark.parametrize("statistic", ["TC(", "TC(1.5:)", "TC(0.1:)"])
def test_slow_answers_of_which_nobody_counts_how_many_are_no_data_and_no_pass(cloud: Cloud, statistic: str) -> None:
    cloud.absent = lambda name, _: name.startswith(statistic)
    assert counted(cloud).blind == [], "all took 50 ms"
    cloud.at("candidate", slow=[2.3])

    assert counted(cloud).blind == ["CloudWatch has nothing of the times of candidate's target group since 06:00 UTC"]
    cloud.at("candidate", slow=[1.5])
    assert (counted(cloud).blind == []) is (statistic == "TC(1.5:)")


def test_a_quiet_minute_is_none_that_is_missing(cloud: Cloud) -> None:
    cloud.at("stable", users=0)
    cloud.at("candidate", users=0)
    counts = counted(cloud)

    assert (counts.observed, counts.candidate.asked, counts.slow_bound, counts.blind) == (600, 0, None, [])


def test_lines_that_are_lost_and_lines_that_nobody_sent_are_no_data(cloud: Cloud) -> None:
    cloud.at("candidate", users=2000, lost=300)
    assert counted(cloud).blind == ["candidate's log has 17000 of the 20000 requests that its targets answered"]
    cloud.at("candidate", users=100, lost=-10)
    assert counted(cloud).blind == ["candidate's log has 1100 requests, and the load balancer sent it 1000"]
    cloud.at("candidate", users=100, others=12, lost=1)
    assert counted(cloud).blind == []


def test_a_task_that_is_killed_is_no_disagreement(cloud: Cloud) -> None:
    cloud.at("candidate", users=1000, killed=500)
    counts = counted(cloud)

    assert (counts.blind, counts.candidate.errors) == ([], 5000)


@pytest.mark.parametrize(
    ("after", "paused_in", "judged"),
    [
        (100, 1, (1, 0)),
        (100, 2, (1, 0)),
        (100, 3, (1, 1)),
        (100, None, (1, 1)),
        (500, None, (1, 1)),
        (530, None, (0, 0)),
        (-1, None, (0, 0)),
    ],
)
def test_a_breach_is_judged_by_the_minutes_of_its_pause_once_they_are_there(
    cloud: Cloud, after: int, paused_in: int | None, judged: tuple[int, int]
) -> None:
    if paused_in:
        cloud.at("candidate", paused_in, log={LogFigure.AUTO_PAUSES: 1})
    own = counted(cloud, breach=BEGAN + timedelta(seconds=after)).candidate

    assert (own.breaches, own.breaches_not_paused) == judged


@pytest.mark.parametrize(
    ("adapters", "away_for", "minutes"),
    [
        (BOTH_REAL, ("stable", "candidate"), 7),
        (BOTH_REAL, ("candidate",), 10),
        ({"stable": MOCKS, "candidate": REAL}, ("candidate",), 7),
        ({"stable": REAL, "candidate": MOCKS}, ("stable", "candidate"), 10),
    ],
)
@pytest.mark.parametrize("figure", [LogFigure.AWAY_POSTGRES, LogFigure.AWAY_S3])
def test_minutes_in_which_both_miss_what_they_share_do_not_count_and_those_of_the_candidate_alone_do(
    cloud: Cloud, adapters: Adapters, away_for: tuple[Track, ...], minutes: int, figure: LogFigure
) -> None:
    for track in away_for:
        cloud.at(track, 5, failed=40, log={figure: 3})
    counts = counted(cloud, adapters)

    assert (counts.observed, counts.candidate.requests) == (minutes * 60, minutes * 100)
    assert counts.candidate.errors == (40 if minutes == 10 and "candidate" in away_for else 0)
    assert counts.until == BEGAN + 10 * MINUTE


def test_a_breach_whose_minutes_never_came_is_no_data_and_no_pass(cloud: Cloud) -> None:
    cloud.absent = lambda name, number: name.startswith("EdgeRequests") and number == 2
    breach = BEGAN + timedelta(seconds=100)

    assert counted(cloud, breach=breach).blind == ["CloudWatch has not all minutes after the breach of 06:01:40"]


def test_each_quarter_of_an_hour_is_counted_anew(cloud: Cloud) -> None:
    cloud.now = BEGAN + 50 * MINUTE + SETTLES
    cloud.at("candidate", 31, failed=9)
    counts = counted(cloud)

    assert [(each.since, each.candidate.asked, each.candidate.errors) for each in counts.stretches] == [
        (BEGAN + 30 * MINUTE, 2000, 9),
        (BEGAN + 45 * MINUTE, 500, 0),
    ]


def test_a_day_comes_in_pages_and_is_asked_once(cloud: Cloud) -> None:
    cloud.now = BEGAN + 1440 * MINUTE + SETTLES
    cloud.pages = 50_000
    counts = counted(cloud)

    assert (counts.candidate.asked, counts.observed, counts.blind) == (144_000, 86_400, [])
    assert [asked.get("NextToken") for asked in cloud.asked] == [None, "50000"]


def test_a_part_of_the_data_is_no_data(cloud: Cloud) -> None:
    cloud.codes = {"RequestCount": "PartialData"}
    counts = counted(cloud)

    assert counts.blind == [
        "CloudWatch has not all of RequestCount of AWS/ApplicationELB (PartialData): look again in a minute"
    ]
    assert (counts.observed, counts.candidate.asked) == (0, 0)


def test_gates_whose_figures_are_there_may_start(cloud: Cloud) -> None:
    cloud.at("candidate", users=0)
    cloud.source().require_known(ALL, BOTH_REAL)


@pytest.mark.parametrize(
    ("missing", "gate"),
    [
        ("HealthyHostCount", "errors"),
        ("EdgeRequests-candidate", "errors"),
        ("EdgeMockQueue-candidate", "fallbacks"),
        ("EdgeAuditSlow-stable", "audit slow"),
        ("AutoPauses-candidate", "auto-pause"),
    ],
)
def test_a_figure_that_nobody_has_fails_its_gate_before_a_start(cloud: Cloud, missing: str, gate: str) -> None:
    cloud.absent = lambda name, _: name == missing

    with pytest.raises(CutoverError, match=f"^gate '{gate}' needs {missing} of .*none of 05:55 to 06:10 UTC"):
        cloud.source().require_known(ALL, BOTH_REAL)


def test_a_gate_of_a_count_that_there_is_not_fails_by_its_name(cloud: Cloud) -> None:
    gate = Gate(name="warm", bad="heat", of="requests", limit=0.1, on="hold")

    with pytest.raises(CutoverError, match="gate 'warm' counts 'heat': known are asked, requests, "):
        cloud.source().require_known([gate], BOTH_REAL)


def test_the_traffic_is_the_mean_of_what_there_is_of_an_hour(cloud: Cloud) -> None:
    cloud.at("stable", users=120, log={LogFigure.AUDIT_WRITES: 30})
    cloud.at("candidate", users=0)
    cloud.absent = lambda _, number: number < 0
    traffic = cloud.source().traffic()

    assert (traffic.requests, traffic.audit_writes) == (2, 0.5)


def test_a_cloudwatch_that_is_away_says_so_at_a_look_and_fails_a_start(cloud: Cloud) -> None:
    cloud.codes = {"RequestCount": "InternalError"}

    with pytest.raises(UnreachableError):
        cloud.source().require_known(ALL, BOTH_REAL)


def test_a_phase_that_begins_in_a_moment_by_another_clock_has_not_begun(cloud: Cloud) -> None:
    ahead: datetime = cloud.now + timedelta(seconds=3)
    counts = counted(cloud, since=ahead)

    assert (counts.until, counts.observed, counts.blind) == (ahead, 0, [])
