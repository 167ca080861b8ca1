"""The results as pictures, in SVG that follows the reader's light or dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf, log10

from bench.gates.compare import FAULTS, GOOD, RATES, Cell, Result
from bench.gates.rules import LIMIT, Ending

MAIN = ("threshold", "Flagger", "Argo Rollouts", "alarm 2 of 3", "Kayenta", "ours")
WIDTH = 480
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; fill: #111 }
.paper { fill: #fff } .grid { stroke: #ddd } .limit { stroke: #999; stroke-dasharray: 3 3 }
polyline { fill: none; stroke: currentColor; stroke-width: 2 } circle { fill: currentColor }
.a { color: #9ecae1 } .b { color: #6baed6 } .c { color: #3182bd }
.d { color: #08519c } .e { color: #08306b }
.r0 { color: #666 } .r1 { color: #b07d00 } .r2 { color: #00785c }
.r3 { color: #b3479a } .r4 { color: #c24e00 } .r5 { color: #0060b0 }
polyline.r5 { stroke-width: 3.5 }
@media (prefers-color-scheme: dark) {
text { fill: #ccc } .title { fill: #fff } .paper { fill: #0d1117 } .grid { stroke: #333 } .limit { stroke: #888 }
.a { color: #41789b } .b { color: #4a93bf } .c { color: #58a6d6 }
.d { color: #8fcdf5 } .e { color: #d6efff }
.r0 { color: #999 } .r1 { color: #e6b422 } .r2 { color: #30c59b }
.r3 { color: #e58fd0 } .r4 { color: #ff8c42 } .r5 { color: #5cb3ff }
}
"""
Point = tuple[float, float]


def rolled_back(found: Mapping[Cell, Result]) -> str:
    """Of each rule, how many releases it rolls back by their true share."""
    scenarios = [*((times, f"good {times:g}") for times in GOOD), *((times, f"fault {times:g}") for times in FAULTS)]
    parts = ['<text class="title" x="10" y="20">Rolled back within an hour, by the true share of errors</text>']
    parts += _keys([f"{rate:g}" for rate in RATES], "abcde", 10, 40, 52, before="requests/s:")
    for place, rule in enumerate(MAIN):
        left, top = 42 + 235 * (place % 2), 75 + 165 * (place // 2)
        across = [left + 175 * step / (len(scenarios) - 1) for step in range(len(scenarios))]
        parts.append(f'<text class="title" x="{left}" y="{top - 6}">{rule}</text>')
        for share in (0, 0.5, 1):
            y = top + 110 * (1 - share)
            parts.append(f'<line class="grid" x1="{left}" x2="{left + 175}" y1="{y:g}" y2="{y:g}"/>')
            parts.append(f'<text text-anchor="end" x="{left - 5}" y="{y + 4:g}">{share:.0%}</text>')
        at_limit = across[len(GOOD) - 1]
        parts.append(f'<line class="limit" x1="{at_limit:g}" x2="{at_limit:g}" y1="{top}" y2="{top + 110}"/>')
        for x, (times, _) in zip(across, scenarios, strict=True):
            parts.append(f'<text text-anchor="middle" x="{x:g}" y="{top + 126}">{100 * times * LIMIT:g}</text>')
        for colour, rate in zip("abcde", RATES, strict=True):
            shares = [found[Cell(rule, scenario, rate)].endings[Ending.ROLLED_BACK] for _, scenario in scenarios]
            points = [(x, top + 110 * (1 - share)) for x, share in zip(across, shares, strict=True)]
            parts += _line(points, colour)
    height = 75 + 165 * 3
    parts.append(f'<text x="10" y="{height - 5}">Across: per cent of requests that fail; dashed: the limit.</text>')
    return _picture(parts, height + 8)


def detection(found: Mapping[Cell, Result], times: float = 5.0) -> str:
    """Of each rule, the seconds until half of the releases with five times the limit are rolled back."""
    parts = [
        f'<text class="title" x="10" y="20">Until half of the releases with {times * LIMIT:.0%} are rolled back</text>'
    ]
    left, right, top, bottom = 62.0, 462.0, 40.0, 290.0

    def place(rate: float, seconds: float) -> Point:
        x = left + (right - left) * log10(rate / RATES[0]) / log10(RATES[-1] / RATES[0])
        return x, bottom - (bottom - top) * log10(seconds / 10) / log10(360)

    for seconds, words in ((10, "10 s"), (60, "1 min"), (300, "5 min"), (1200, "20 min"), (3600, "1 h")):
        _, y = place(1, seconds)
        parts.append(f'<line class="grid" x1="{left:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text text-anchor="end" x="{left - 6:g}" y="{y + 4:.1f}">{words}</text>')
    for rate in RATES:
        x, _ = place(rate, 10)
        parts.append(f'<text text-anchor="middle" x="{x:.1f}" y="{bottom + 18:g}">{rate:g}</text>')
    parts.append(f'<text text-anchor="middle" x="{(left + right) / 2:g}" y="{bottom + 36:g}">requests a second</text>')
    for number, rule in enumerate(MAIN):
        taken = [(rate, found[Cell(rule, f"fault {times:g}", rate)].seconds) for rate in RATES]
        parts += _line([place(rate, seconds) for rate, seconds in taken if seconds < inf], f"r{number}")
    for row in range(2):
        names = MAIN[3 * row : 3 * row + 3]
        parts += _keys(names, [f"r{3 * row + column}" for column in range(3)], 20, bottom + 58 + 20 * row, 150)
    return _picture(parts, int(bottom) + 90)


def _line(points: Sequence[Point], colour: str) -> Iterator[str]:
    yield f'<polyline class="{colour}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
    for x, y in points:
        yield f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'


def _keys(
    names: Sequence[str], colours: Sequence[str], x: float, y: float, apart: float, *, before: str = ""
) -> Iterator[str]:
    if before:
        yield f'<text x="{x:g}" y="{y:g}">{before}</text>'
        x += 80
    for name, colour in zip(names, colours, strict=True):
        yield f'<circle class="{colour}" cx="{x:g}" cy="{y - 4:g}" r="5"/><text x="{x + 9:g}" y="{y:g}">{name}</text>'
        x += apart


def _picture(parts: Sequence[str], height: int) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            *parts,
            "</svg>\n",
        ]
    )
