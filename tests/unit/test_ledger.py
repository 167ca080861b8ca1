"""The soak's ledger: what is lost, doubled or never sent is told, and answers that no fault excuses."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest

from tests.support.ledger import SOON, Found, Ledger, Weather
from tests.support.resources import Held, Resources

KEY, TITLE, ZIP = "run-000001", "run-alert-00001", "evidence/run/1.zip"


def ledger() -> Ledger:
    return Ledger("run", entries={KEY: "spool"}, sent={KEY}, alerts={TITLE: "job-1"}, evidence={ZIP: "ab", "other": ""})


KEPT = Found(rows=Counter([KEY]), delivered=Counter([TITLE]), dead=set(), evidence={ZIP: "ab"})


@pytest.mark.parametrize("found", [KEPT, replace(KEPT, delivered=Counter(), dead={"job-1"})])
def test_what_is_there_once_or_is_a_dead_letter_is_as_it_should_be(found: Found) -> None:
    assert ledger().differences(found) == []


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (replace(KEPT, rows=Counter()), f"entry {KEY}, kept by spool at first, is lost"),
        (replace(KEPT, rows=Counter({KEY: 2})), f"entry {KEY} is there 2 times"),
        (replace(KEPT, rows=Counter([KEY, "run-9"])), "entry run-9 was never sent"),
        (replace(KEPT, delivered=Counter()), f"alert {TITLE}, job-1, is lost"),
        (replace(KEPT, dead={"job-1"}), f"alert {TITLE}, job-1, was delivered and is a dead letter too"),
        (replace(KEPT, evidence={}), f"{ZIP} is not what was put"),
        (replace(KEPT, evidence={ZIP: "cd"}), f"{ZIP} is not what was put"),
    ],
)
def test_what_is_not_is_told(found: Found, line: str) -> None:
    assert ledger().differences(found) == [line]


def test_fallbacks_are_excused_by_a_fault_and_an_error_by_nothing() -> None:
    kept = ledger()
    kept.answers |= {("/a", "ok", "quiet"): 1000, ("/a", "fallback", "fault"): 90, ("/a", "refused", "after"): 9}
    assert kept.unexpected() == {}
    kept.answers["/a", "fallback", "quiet"] = 9
    kept.answers["/b", "status 500", "fault"] = 1
    assert kept.unexpected() == {("/a", "fallback", "quiet"): 9, ("/b", "status 500", "fault"): 1}


def test_a_request_that_a_fault_touched_is_not_of_the_quiet() -> None:
    weather, now = Weather(), time.monotonic()
    assert weather.since(now) == "quiet"
    with weather.of("it rains"):
        assert weather.since(now) == "fault"
    assert weather.since(now) == "fault"
    assert weather.since(time.monotonic()) == "after"
    weather.ended -= SOON
    assert weather.since(time.monotonic()) == "quiet"


def test_what_grows_goes_beyond_its_bound_or_ends_is_told() -> None:
    steady, grows = [50.0, 100, 100, 100], [50.0, 100, 100, 140]
    bound = {"app": Held(230, steady)}
    assert Resources(bound, bound, Held(30, [9])).problems() == []
    held = Resources({"app": Held(120, grows)}, {"app": Held(250, grows)}, Held(30, [31]), ["worker"])
    assert held.problems() == [
        "worker ended by itself",
        "app had 140 MiB, 120 are allowed",
        "app grew from 100 to 140 MiB",
        "app grew from 100 to 140 descriptors",
        "Postgres had 31 sessions, 30 allowed",
    ]
