"""The pictures of a rollout over time, in coordinates that the page's template draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal

WIDTH, HEIGHT = 340, 138
"""As wide as a phone shows it, so that what is written in a picture keeps its size."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 18, 20
ROOM = 16
"""What a number above takes."""
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)

Kind = Literal["candidate", "stable", "limit"]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line in the colour of `kind`, as SVG takes its points."""

    kind: Kind
    points: str


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark of an axis, or of a turn."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A picture; `now` says in words where its lines end. Ticks go along time, scale up the side; `marks` are where
    turns were, and `turns` their numbers."""

    title: str
    now: str
    lines: Sequence[Line]
    ticks: Sequence[Tick]
    scale: Sequence[Tick]
    turns: Sequence[Tick]
    marks: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Point:
    """A value at a time; a line is broken where `part` differs."""

    at: datetime
    value: float
    part: str = ""


@dataclass(frozen=True)
class Frame:
    """The time that all pictures of a page show."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """Its length, never 0."""
        return max((self.end - self.begin).total_seconds(), 1.0)

    def x(self, at: datetime) -> float:
        """Where a time is drawn."""
        share = min(max((at - self.begin).total_seconds() / self.seconds, 0.0), 1.0)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def ticks(self) -> Iterator[Tick]:
        """Round times of the clock (UTC), four to six of them."""
        step = next((each for each in _STEPS if self.seconds / each <= 5), _STEPS[-1])
        second = -(-self.begin.timestamp() // step) * step
        while second <= self.end.timestamp():
            at = datetime.fromtimestamp(second, UTC)
            yield Tick(at=self.x(at), text=f"{at:%H:%M:%S}" if step < 60 else f"{at:%H:%M}")
            second += step

    def plot(
        self,
        title: str,
        now: str,
        lines: Mapping[Kind, Sequence[Point]],
        turns: Sequence[datetime],
        *,
        unit: Literal["%", ""],
        least: float,
    ) -> Plot:
        """A picture from 0 to the greatest value, or to `least` where all are smaller."""
        greatest = max((point.value for points in lines.values() for point in points), default=0.0)
        top = round_up(max(greatest, least))
        return Plot(
            title=title,
            now=now,
            lines=[
                Line(kind=kind, points=" ".join(f"{self.x(point.at)},{y(point.value / top)}" for point in part))
                for kind, points in lines.items()
                for part in _parts(points)
            ],
            ticks=list(self.ticks()),
            scale=[Tick(at=y(each), text=f"{short(each * top)}{unit and f' {unit}'}") for each in (0.0, 0.5, 1.0)],
            turns=list(_numbers([self.x(at) for at in turns])),
            marks=[self.x(at) for at in turns],
        )


def steps(points: Iterable[Point], end: datetime) -> list[Point]:
    """A line that keeps each value until the next one, and the last to the end."""
    made: list[Point] = []
    for point in points:
        if made:
            made.append(Point(at=point.at, value=made[-1].value))
        made.append(point)
    return [*made, Point(at=end, value=made[-1].value)] if made else []


def round_up(value: float) -> float:
    """The next round number, 1, 2 or 5 and zeros."""
    power = 1.0
    while power >= value:
        power /= 10
    while power * 10 < value:
        power *= 10
    return next(round(step * power, 9) for step in (1, 2, 5, 10) if step * power >= value - 1e-12)


def short(value: float) -> str:
    """A round number in few letters."""
    for power, letter in ((1e6, "M"), (1e3, "k")):
        if value >= power:
            return f"{value / power:g}{letter}"
    return f"{value:g}"


def y(share: float) -> float:
    """Where a share of the height is drawn."""
    return round(_TOP + (1 - min(share, 1.0)) * (HEIGHT - _TOP - _BOTTOM), 1)


def _parts(points: Sequence[Point]) -> Iterator[Iterable[Point]]:
    """The points of each part of a line."""
    for _, own in groupby(points, key=lambda point: point.part):
        yield own


def _numbers(marks: Sequence[float]) -> Iterator[Tick]:
    """The numbers of marks from 1; those that would be written over each other in one."""
    first = 0
    for number, mark in enumerate(marks, start=1):
        if number == len(marks) or marks[number] - mark > ROOM:
            text = str(number) if number - first == 1 else f"{first + 1}–{number}"
            yield Tick(at=round((marks[first] + mark) / 2, 1), text=text)
            first = number
