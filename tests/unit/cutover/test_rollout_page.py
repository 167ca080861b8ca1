"""A rollout's page: what it says in each state, and that its pictures are of what was counted."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

import pytest

from cutover.rollout.page import page, tone
from cutover.rollout.plots import HEIGHT, WIDTH, Frame, Point, round_up, steps
from tests.support.rollout_states import BEGUN, ROLLOUTS, named


def text(name: str) -> str:
    rollout = named(name)
    return page(rollout.status, rollout.record, rollout.changes, rollout.samples)


def pictures(html: str) -> list[ElementTree.Element]:
    """The plots, without the legend's."""
    found = [ElementTree.fromstring(each) for each in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]
    return [each for each in found if each.get("role") == "img"]


@pytest.mark.parametrize(
    ("name", "headline", "colour"),
    [
        ("prepared", "prepared", "idle"),
        ("inconclusive", "canary at 10 %", "idle"),
        ("passed", "canary at 10 %", "good"),
        ("held", "staged at 50 %, held", "warn"),
        ("other weight", "staged at 10 %", "warn"),
        ("rolled back", "rolled back", "bad"),
        ("finished", "finished", "good"),
    ],
)
def test_the_headline_is_the_state_in_its_colour(name: str, headline: str, colour: str) -> None:
    assert f'<header class="{colour}">\n<h1>{headline}</h1>' in text(name)
    assert tone(named(name).status) == colour


def test_every_gate_is_there_and_only_one_that_stands_in_the_way_says_why() -> None:
    html = text("held")

    for gate in named("held").record.phases[1].gates:
        assert f"<strong>{gate.name[0].upper()}{gate.name[1:]}</strong>" in html
    assert '<span class="seen wide">the candidate answers</span>' in html, "what is no share has no bar"
    gates = html.partition('id="gates"')[2].partition("</ul>")[0]
    assert gates.count('<p class="soft">') == 1
    assert "30 of 150 are 20.0%, at most 2.0% may be, and stable has 30 of 150</p>" in gates


def test_every_turn_is_told_newest_first_and_its_reason_once() -> None:
    turns = text("rolled back").partition('id="turns"')[2]

    assert re.findall(r'class="number">(\d)<', turns) == ["3", "2", "1"]
    assert turns.count("31 of 240 requests took more than 1.5 s") == 1
    assert "tick by watch: slow: 31 of 240" in turns


def test_the_page_is_read_again_while_something_may_change() -> None:
    again = {name for name in ROLLOUTS if '<meta http-equiv="refresh" content="10">' in text(name)}

    assert again == set(ROLLOUTS) - {"rolled back", "finished"}
    back = named("rolled back")
    draining = page(back.status, replace(back.record, draining=True), back.changes, back.samples)
    assert 'http-equiv="refresh"' in draining, "its worker still delivers"


def test_nothing_is_fetched_and_nothing_runs() -> None:
    html = text("held")

    assert "default-src 'none'" in html
    assert not re.search(r"<script|https?://|url\(|@import|src=", html)


def test_what_people_write_is_text() -> None:
    held = named("held")
    status = replace(held.status, why="<img src=x onerror=alert(1)>")

    assert "&lt;img src=x" in page(status, held.record, held.changes, held.samples)


def test_there_are_pictures_of_weight_errors_slow_requests_and_sample_once_something_was_counted() -> None:
    assert pictures(text("prepared")) == []
    said = [each.get("aria-label") for each in pictures(text("rolled back"))]

    assert said == [
        "Weight over time: 0 % now",
        "Errors over time: candidate 0 %, stable 0.10 %",
        "Slow over time: candidate 13.0 %, stable 0.19 %",
        "Requests over time: candidate 240, stable 2,160",
    ]


@pytest.mark.parametrize("name", [name for name, rollout in ROLLOUTS.items() if rollout.samples])
def test_nothing_is_drawn_outside_of_its_picture(name: str) -> None:
    for picture in pictures(text(name)):
        for line in picture.iter("polyline"):
            points = [tuple(map(float, each.split(","))) for each in str(line.get("points")).split()]
            assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
            assert len(points) >= 2


def test_a_line_begins_anew_with_each_phase_and_the_limit_steps_with_it() -> None:
    errors = pictures(text("finished"))[1]
    drawn = [str(line.get("class")) for line in errors.iter("polyline")]
    limits = {
        str(line.get("points")).partition(",")[2] for line in errors.iter("polyline") if line.get("class") == "limit"
    }

    assert drawn.count("candidate") == 3
    assert drawn.count("limit") == 3
    assert len(limits) == 3
    assert len({limit.rpartition(",")[2] for limit in limits}) == 2, "2 %, then 1 % in production"


def test_turns_that_would_be_written_over_each_other_share_a_number() -> None:
    numbers = [each.text for each in pictures(text("finished"))[0].iter("text") if "–" in str(each.text)]

    assert numbers == ["1–4"]


def test_a_frame_has_a_handful_of_round_times_whatever_its_length() -> None:
    for seconds in (20, 90, 600, 5400, 86400, 3 * 86400):
        ticks = list(Frame(BEGUN + timedelta(seconds=7), BEGUN + timedelta(seconds=7 + seconds)).ticks())
        assert 2 <= len(ticks) <= 6, seconds
    assert [tick.text for tick in Frame(BEGUN, BEGUN + timedelta(minutes=20)).ticks()] == [
        "05:00",
        "05:05",
        "05:10",
        "05:15",
        "05:20",
    ]


def test_a_scale_ends_at_a_round_number() -> None:
    assert [round_up(value) for value in (0.1, 0.11, 2.0, 3.0, 13.3, 100.0, 864000)] == [
        0.1,
        0.2,
        2,
        5,
        20,
        100,
        1000000,
    ]


def test_a_step_keeps_its_value_until_the_next() -> None:
    later, end = BEGUN + timedelta(seconds=5), BEGUN + timedelta(seconds=9)
    made = steps([Point(at=BEGUN, value=0), Point(at=later, value=10)], end)

    assert [(point.at, point.value) for point in made] == [(BEGUN, 0), (later, 0), (later, 10), (end, 10)]
    assert steps([], end) == []
