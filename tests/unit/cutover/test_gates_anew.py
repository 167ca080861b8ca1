"""Counting that begins anew within a phase: from which moments, and what counts from there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

from cutover.gates.counts import points
from cutover.gates.window import Window
from cutover.prometheus import Prometheus, Steps

BEGAN = datetime(2026, 11, 29, 6, 0, tzinfo=UTC)


def test_counting_begins_anew_at_the_two_newest_quarters_of_an_hour() -> None:
    def minutes(after: float) -> list[float]:
        return [(each - BEGAN).total_seconds() / 60 for each in points(BEGAN, BEGAN + timedelta(minutes=after))]

    assert [minutes(after) for after in (14, 16, 31, 12 * 60 + 1)] == [[], [15], [15, 30], [705, 720]]


def test_from_a_moment_on_only_the_steps_count_that_begin_then_or_later() -> None:
    steps = Steps(BEGAN, 10.0, 4)
    window = Window(cast(Prometheus, None), steps, [True, True, False, True], {}, {})

    assert window.after(BEGAN).counts == [True, True, False, True]
    assert window.after(BEGAN + timedelta(seconds=10)).counts == [False, True, False, True]
    assert window.after(BEGAN + timedelta(seconds=11)).counts == [False, False, False, True]
