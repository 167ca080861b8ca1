"""Counting: which figures of Prometheus are which counts, and when they say nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cutover.gates.counting import count
from cutover.gates.counts import Counts
from cutover.prometheus import Steps
from tests.support.judged import BEGAN, MOCKS, REAL, Adapters, judged
from tests.support.metrics_double import Told

UNTIL = BEGAN + timedelta(seconds=600)
BOTH_REAL: Adapters = {"stable": REAL, "candidate": REAL}
REQUESTS = "web_next_http_request_duration_seconds_count"
LOOKED = ("web_next_edge_status_time_seconds", dict[str, str](), UNTIL.timestamp() - 1)


@pytest.fixture
def told() -> Told:
    """Two tracks with 1,000 answers each, edge and app of one mind."""
    made = Told(answers=[LOOKED])
    for track in ("stable", "candidate"):
        made.answered(track, 1000)
        made.counted(track, REQUESTS, 1000)
    return made


def counted(told: Told, adapters: Adapters = BOTH_REAL, **more: Any) -> Counts:
    return count(told.prometheus(), BEGAN, UNTIL, adapters=adapters, **more)


def test_errors_are_5xx_and_what_was_given_up_and_429_is_kept_apart_by_who_said_it(told: Told) -> None:
    for outcome, by, total in (("error", "app", 3), ("error", "edge", 4), ("given_up", "edge", 5)):
        told.answered("candidate", total, outcome=outcome, answered_by=by)
    told.answered("candidate", 60, outcome="limited", answered_by="edge")
    told.answered("candidate", 7, outcome="limited")
    told.counted("candidate", REQUESTS, 10, route="/b")
    own = counted(told).candidate

    assert (own.asked, own.requests, own.errors) == (1079, 1012, 12)
    assert (own.limited_by_edge, own.limited_by_app) == (60, 7)


def test_what_is_slower_is_what_the_bucket_of_that_bound_has_not(told: Told) -> None:
    told.took("candidate", **{"250ms": 700, "1200ms": 900, "1500ms": 940, "all": 1000})
    own = counted(told).candidate

    assert (own.slower_than_1200ms, own.slower_than_1500ms, own.slower_than_stable) == (100, 60, 0)


@pytest.mark.parametrize(
    ("stables", "bound"),
    [
        ({"100ms": 960, "250ms": 1000, "all": 1000}, 0.25),  # P95 below 0.1 s: the floor
        ({"250ms": 940, "500ms": 960, "1000ms": 1000, "all": 1000}, 0.5),  # P95 0.375 s, times 1.2 is 0.45 s
        ({"250ms": 900, "500ms": 950, "1000ms": 1000, "all": 1000}, 1.0),  # P95 0.5 s, times 1.2 is 0.6 s
        ({"250ms": 0, "500ms": 0, "1000ms": 0, "all": 1000}, None),  # beyond the last bound
    ],
)
def test_the_bound_against_stable_is_the_least_that_is_a_fifth_above_its_p95(
    told: Told, stables: dict[str, float], bound: float | None
) -> None:
    told.took("stable", **stables)
    told.took("candidate", **{"250ms": 700, "500ms": 800, "1000ms": 900, "all": 1000})
    counts = counted(told)

    assert counts.slow_bound == bound
    assert counts.candidate.slower_than_stable == {0.25: 300, 0.5: 200, 1.0: 100, None: 0}[bound]


def test_what_was_of_no_track_is_in_nobodys_counts(told: Told) -> None:
    told.took("candidate", **{"1500ms": 940, "all": 1000})
    told.took("", all=70)
    told.answered("", 70, outcome="error")
    for labels, _ in told.counters:
        if not labels["track"]:
            del labels["track"]  # Prometheus drops what is empty
    counts = counted(told)

    assert (counts.candidate.slower_than_1500ms, counts.candidate.errors, counts.stable.errors) == (60, 0, 0)
    assert counts.blind == []


def test_audit_writes_that_are_not_in_postgres_are_elsewhere(told: Told) -> None:
    for store, total in (("postgres", 90), ("executor", 6), ("spool", 4)):
        told.counted("candidate", "web_next_audit_inserts_total", total, store=store)
    told.counted("candidate", "web_next_audit_write_duration_seconds_count", 90)
    told.counted("candidate", "web_next_audit_write_duration_seconds_bucket", 80, le="0.1")
    told.answers.append(('rate(web_next_audit_inserts_total{job="app",traffic="user"}[5m])', {}, 12.34))
    counts = counted(told)
    own = counts.candidate

    assert (own.audit_writes, own.audit_elsewhere, own.audit_timed, own.audit_slower_than_100ms) == (100, 10, 90, 10)
    assert counts.audit_per_minute == 12.3


def test_fallbacks_are_the_edges_word_where_every_adapter_is_real(told: Told) -> None:
    told.answered("candidate", 200, mock="true")
    told.answered("candidate", 50, mock="true", outcome="error")
    told.counted("candidate", REQUESTS, 250, route="/b")
    told.counted("candidate", "web_next_fallbacks_total", 200, dependency="mock")

    assert counted(told).candidate.fallbacks == 200, "what the app says of itself takes nothing away"


def test_a_mock_by_settings_is_no_fallback_and_what_stands_in_for_a_real_adapter_beside_it_is(told: Told) -> None:
    partly: Adapters = {"stable": MOCKS, "candidate": {**MOCKS, "audit": "production"}}
    told.answered("stable", 1000, mock="true")
    told.counted("stable", REQUESTS, 1000, route="/b")
    told.counted("stable", "web_next_fallbacks_total", 1000, dependency="mock")
    told.answered("candidate", 1000, mock="true")
    told.counted("candidate", REQUESTS, 1000, route="/b")
    told.counted("candidate", "web_next_fallbacks_total", 400, dependency="mock")
    counts = counted(told, partly)

    assert counts.stable.fallbacks == 0
    assert 500 < counts.candidate.fallbacks <= 600


def test_the_newest_seconds_in_which_the_app_was_not_asked_yet_are_no_fallbacks(told: Told) -> None:
    mocks: Adapters = {"stable": MOCKS, "candidate": {**MOCKS, "audit": "production"}}
    told.answered("candidate", 1000, mock="true")
    told.counted("candidate", REQUESTS, 1000, route="/b")
    told.counted("candidate", "web_next_fallbacks_total", 985, dependency="mock")

    assert counted(told, mocks).candidate.fallbacks == 0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (("ALERTS", {"alertname": "EdgeLogLost"}, 1.0), "EdgeLogLost is firing"),
        (("ALERTS", {"alertname": "EdgeReaderRestarted"}, 1.0), "EdgeReaderRestarted is firing"),
    ],
)
def test_a_log_that_is_not_whole_is_why_nothing_can_be_said(
    told: Told, answer: tuple[str, dict[str, str], float], why: str
) -> None:
    told.answers.append(answer)

    assert counted(told).blind == [why]


def test_a_log_that_nobody_looks_at_and_one_without_a_reader_are_too(told: Told) -> None:
    told.answers = [(LOOKED[0], {}, UNTIL.timestamp() - 40)]
    assert counted(told).blind == ["the edge's log was looked at 40 s ago, by a reader that looks each second"]
    told.answers = []
    assert counted(told).blind == ["the edge's log has no reader"]


def test_a_prometheus_that_is_away_says_so_and_nothing_else(told: Told) -> None:
    told.away = True
    counts = counted(told)

    assert (list(counts.blind), counts.observed, counts.candidate.asked) == (["Prometheus does not answer"], 0, 0)


@pytest.mark.parametrize(("more", "agrees"), [(10, True), (150, False)])
def test_an_app_that_answered_less_than_the_edge_had_of_it_is_why_nothing_can_be_said(
    told: Told, more: float, agrees: bool
) -> None:
    told.answered("candidate", more, mock="true")

    assert (counted(told).blind == []) is agrees


@pytest.mark.parametrize(("more", "agrees"), [(10, True), (150, False)])
def test_so_is_one_that_answered_more_than_reached_it(told: Told, more: float, agrees: bool) -> None:
    told.counted("candidate", REQUESTS, more, route="/b")

    assert (counted(told).blind == []) is agrees


def test_what_clients_gave_up_the_app_may_have_answered_all_the_same(told: Told) -> None:
    told.answered("candidate", 400, outcome="given_up", answered_by="edge")
    assert counted(told).blind == []
    told.counted("candidate", REQUESTS, 400, route="/b")
    assert counted(told).blind == []


def test_minutes_whose_log_was_not_whole_do_not_count(told: Told) -> None:
    told.alerts = [({"alertname": "EdgeLogLost"}, lambda at: 1.0 if 200 <= at <= 300 else None)]
    counts = counted(told)

    assert 480 <= counts.observed <= 492, "those and the ten seconds before, in which it happened"
    assert counts.candidate.asked == pytest.approx(1000 * counts.observed / 600, abs=1)
    assert counts.blind == []


def frozen(at: float) -> float:
    return 0.0 if 200 <= at <= 300 else 1.0


@pytest.mark.parametrize(
    ("adapters", "tracks", "counts_all"),
    [
        (BOTH_REAL, ("stable", "candidate"), False),
        (BOTH_REAL, ("candidate",), True),
        ({"stable": MOCKS, "candidate": REAL}, ("candidate",), False),
        ({"stable": REAL, "candidate": MOCKS}, ("stable",), True),
    ],
)
def test_an_outage_of_what_both_share_does_not_count_and_one_of_the_candidate_alone_does(
    told: Told, adapters: Adapters, tracks: tuple[str, ...], counts_all: bool
) -> None:
    told.up = [({"track": track, "dependency": "postgres"}, frozen) for track in tracks]
    told.up += [
        ({"track": track, "dependency": "postgres"}, lambda _: 1.0)
        for track in ("stable", "candidate")
        if track not in tracks
    ]
    counts = counted(told, adapters)

    assert (counts.observed == 600) is counts_all
    assert counts_all or 470 <= counts.observed <= 482


def test_what_is_away_for_both_is_named(told: Told) -> None:
    for track in ("stable", "candidate"):
        told.answers.append(("max_over_time(web_next_dependency_up", {"track": track, "dependency": "redis"}, 0.0))
    assert counted(told).away == ["redis"]
    told.answers = [LOOKED, told.answers[1]]
    assert counted(told).away == []


@pytest.mark.parametrize(
    ("breach", "paused", "judged"),
    [
        (BEGAN + timedelta(seconds=100), True, (1, 0)),
        (BEGAN + timedelta(seconds=100), False, (1, 1)),
        (UNTIL - timedelta(seconds=60), False, (0, 0)),
        (BEGAN - timedelta(seconds=1), False, (0, 0)),
        (None, False, (0, 0)),
    ],
)
def test_a_breach_is_judged_once_its_minute_and_the_scrapes_after_it_are_over(
    told: Told, breach: Any, paused: bool, judged: tuple[int, int]
) -> None:
    if paused:
        told.answers.append(("web_next_auto_pauses_total", {}, 1.0))
    own = counted(told, breach=breach).candidate

    assert (own.breaches, own.breaches_not_paused) == judged


def test_a_phase_that_begins_in_a_moment_by_another_clock_has_not_begun(told: Told) -> None:
    ahead = count(told.prometheus(), UNTIL + timedelta(seconds=3), UNTIL, adapters=BOTH_REAL)

    assert ahead.observed == 0
    assert judged(ahead).elapsed == 0


def test_a_day_costs_500_steps_and_a_short_phase_sees_every_scrape(told: Told) -> None:
    day, short = (
        Steps.between(BEGAN, BEGAN + timedelta(seconds=seconds), least=2, most=500) for seconds in (86_400, 61)
    )
    assert (day.count, day.seconds, short.count) == (500, 172.8, 30)
    assert timedelta(0) <= BEGAN + timedelta(seconds=61) - short.end < timedelta(seconds=0.1)
