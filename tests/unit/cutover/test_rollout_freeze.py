"""When the weight may not rise, and until when: days and dates, over midnight, over a change of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cutover.rollout.freeze import Frozen, frozen
from outputs.rollout import FreezeWindow


def window(begin: str, end: str, days: str | None = None, zone: str | None = None, reason: str = "r") -> FreezeWindow:
    given: dict[str, Any] = {"from": begin, "to": end, "days": days, "timezone": zone, "reason": reason}
    return FreezeWindow.model_validate({key: value for key, value in given.items() if value})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def until(text: str, *windows: FreezeWindow) -> str | None:
    """The end of the freeze at a moment in UTC, as text."""
    found = frozen(windows, at(text))
    return found.until.strftime("%Y-%m-%dT%H:%M") if found else None


DESK = window("14:25", "21:05", "mon-fri")


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-11-27T14:24:59", None),
        ("2026-11-27T14:25", "2026-11-27T21:05"),
        ("2026-11-27T21:04:59", "2026-11-27T21:05"),
        ("2026-11-27T21:05", None),
        ("2026-11-28T15:00", None),
        ("2026-11-29T15:00", None),
        ("2026-11-30T15:00", "2026-11-30T21:05"),
    ],
)
def test_a_window_is_on_from_its_begin_to_before_its_end_on_its_days(moment: str, end: str | None) -> None:
    assert until(moment, DESK) == end


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-11-27T21:59", None),
        ("2026-11-27T22:00", "2026-11-28T02:00"),
        ("2026-11-28T01:59", "2026-11-28T02:00"),
        ("2026-11-28T02:00", None),
        ("2026-11-28T22:30", None),
        ("2026-11-29T01:00", None),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins(moment: str, end: str | None) -> None:
    assert until(moment, window("22:00", "02:00", "fri")) == end


def test_days_may_go_over_the_end_of_the_week() -> None:
    weekend = window("00:00", "00:00", "sat-mon")

    assert until("2026-11-27T23:59", weekend) is None
    assert until("2026-11-28T00:00", weekend) == "2026-12-01T00:00"
    assert until("2026-11-30T12:00", weekend) == "2026-12-01T00:00"
    assert until("2026-12-01T00:00", weekend) is None


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-10-30T13:29", None),
        ("2026-10-30T13:30", "2026-10-30T20:00"),
        ("2026-11-02T14:29", None),
        ("2026-11-02T14:30", "2026-11-02T21:00"),
    ],
)
def test_a_time_of_day_follows_the_clocks_of_its_zone(moment: str, end: str | None) -> None:
    """New York goes back by an hour on 2026-11-01."""
    assert until(moment, window("09:30", "16:00", "mon-fri", "America/New_York")) == end


def test_the_day_is_the_zones_and_not_utcs() -> None:
    tokyo = window("08:00", "09:00", "mon", "Asia/Tokyo")

    assert until("2026-11-29T23:30", tokyo) == "2026-11-30T00:00", "Sunday in UTC, Monday in Tokyo"
    assert until("2026-11-30T23:30", tokyo) is None


def test_a_night_with_a_change_of_the_clocks_is_an_hour_longer() -> None:
    night = window("00:30", "03:00", "sun", "America/New_York")

    assert until("2026-11-01T04:30", night) == "2026-11-01T08:00"


def test_a_dated_window_is_on_once() -> None:
    holidays = window("2026-12-24T00:00Z", "2027-01-02T08:00+01:00")

    assert until("2026-12-23T23:59", holidays) is None
    assert until("2026-12-24T00:00", holidays) == "2027-01-02T07:00"
    assert until("2027-01-02T07:00", holidays) is None
    assert until("2027-12-25T00:00", holidays) is None


def test_windows_without_a_gap_are_one_freeze_with_the_first_reason() -> None:
    later = window("21:00", "23:00", "mon-fri", reason="the books are closed")
    long = window("2026-11-27T20:00Z", "2026-11-27T20:30Z", reason="short, and in it")
    desk = window("14:25", "21:05", "mon-fri", reason="the desk trades")

    assert frozen([later, long, desk], at("2026-11-27T15:00")) == Frozen(at("2026-11-27T23:00"), "the desk trades")
    assert frozen([later, long, desk], at("2026-11-27T22:00")) == Frozen(at("2026-11-27T23:00"), later.reason)


def test_what_never_ends_is_looked_at_for_a_month() -> None:
    assert until("2026-11-29T12:00", window("00:00", "00:00", "mon-sun")) == "2026-12-31T00:00"


def test_no_windows_freeze_nothing() -> None:
    assert frozen([], at("2026-11-29T12:00")) is None
