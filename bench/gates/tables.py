"""The results as tables in Markdown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from math import inf, log

from bench.gates.compare import FAULTS, GOOD, RATES, RULES, Cell, Result, good, results, traffics
from bench.gates.rules import LIMIT, Ending, Threshold
from bench.gates.traffic import HOUR, STEP, Track, Traffic
from cutover.gates.evidence import FAILS_AT, RESTARTS_EACH, Tally, combined, evidence, restarts

SHOWN = (0.1, 2.0, 50.0)
Results = Mapping[Cell, Result]


def tables(found: Results, runs: int) -> str:
    """All of them, a heading before each."""
    return "\n\n".join(
        f"**{title}**\n\n{table}"
        for title, table in (
            ("Good releases that are rolled back, in per cent", _good(found)),
            ("Bad releases that are promoted, in per cent", _promoted(found)),
            ("Releases about which ours asks a person after the hour, in per cent", _held(found)),
            ("Seconds and requests until half of the bad releases are rolled back", _time(found)),
            ("Other traffic", _others(found)),
            ("Seconds until ours finds a fault after so long without one", _after_long()),
            ("A threshold of 2 % over good releases of 1 %: rolled back, in per cent", _threshold(runs)),
        )
    )


def _good(found: Results) -> str:
    cells = [(times, rate) for times in GOOD[1:] for rate in SHOWN]
    heads = ["nothing bad", *(f"{times * LIMIT:.0%} at {rate:g}/s" for times, rate in cells)]
    return _table(
        heads,
        lambda rule: [
            _percent(max(_ending(found, rule, f"good {GOOD[0]:g}", rate, Ending.ROLLED_BACK) for rate in RATES)),
            *(_percent(_ending(found, rule, f"good {times:g}", rate, Ending.ROLLED_BACK)) for times, rate in cells),
        ],
    )


def _promoted(found: Results) -> str:
    cells = [(times, rate) for times in (FAULTS[1], FAULTS[3], FAULTS[4]) for rate in SHOWN[:2]]
    return _table(
        [f"{times * LIMIT:.0%} at {rate:g}/s" for times, rate in cells],
        lambda rule: [_percent(_ending(found, rule, f"fault {times:g}", rate, Ending.PASSED)) for times, rate in cells],
    )


def _held(found: Results) -> str:
    scenarios = [*((times, f"good {times:g}") for times in GOOD), *((times, f"fault {times:g}") for times in FAULTS)]
    rows = [
        [f"{rate:g}/s", *(_percent(_ending(found, "ours", scenario, rate, Ending.HELD)) for _, scenario in scenarios)]
        for rate in RATES
    ]
    return _lines(["true share", *(f"{100 * times * LIMIT:g}%" for times, _ in scenarios)], rows)


def _time(found: Results) -> str:
    cells = [(FAULTS[1], 2.0), *((FAULTS[3], rate) for rate in SHOWN), (FAULTS[4], 2.0)]
    return _table(
        [f"{times * LIMIT:.0%} at {rate:g}/s" for times, rate in cells],
        lambda rule: [_both(found[Cell(rule, f"fault {times:g}", rate)]) for times, rate in cells],
    )


def _others(found: Results) -> str:
    heads = [
        *(f"bursts, {rate:g}/s" for rate in SHOWN),
        "worse than stable",
        "late, 2/s",
        "ramp, 2/s",
        "no traffic",
    ]

    def row(rule: str) -> list[str]:
        return [
            *(_percent(_ending(found, rule, "bursts", rate, Ending.ROLLED_BACK)) for rate in SHOWN),
            _percent(_ending(found, rule, "worse within", 2.0, Ending.ROLLED_BACK)),
            _seconds(found[Cell(rule, "late", 2.0)].seconds),
            _seconds(found[Cell(rule, "ramp", 2.0)].seconds),
            without_traffic(rule),
        ]

    return _table(heads, row)


def _after_long(rate: float = 10.0, limit: float = 0.01, before: float = 0.001) -> str:
    """By expected counts, none sampled: as in the phase production, a quarter of an hour after a point from which
    counting begins anew."""
    shares = (0.05, 0.1, 1.0)

    def seconds(hours: float, share: float) -> int:
        def found(more: int) -> float:
            whole, since = (
                evidence(limit, Tally(round(asked * before + rate * more * share), round(asked + rate * more)))
                for asked in (rate * HOUR * hours, min(rate * HOUR * hours, rate * RESTARTS_EACH))
            )
            return combined(whole, [since] if hours else [], restarts(24 * HOUR))

        return bisect_left(range(10 * HOUR), log(FAILS_AT), key=found)

    rows = [[f"{hours:g} h", *(f"{seconds(hours, share)} s" for share in shares)] for hours in (0, 0.5, 6, 12)]
    return _lines(["0.1% errors for", *(f"then {share:.0%}" for share in shares)], rows)


def _threshold(runs: int) -> str:
    minutes, rates = (10, 30, 60), (0.5, 1.0, 2.0)
    rules = {"any number": Threshold(), "150 or more": Threshold(least=150)}
    shares = {
        (length, rate, name): result.endings[Ending.ROLLED_BACK]
        for length in minutes
        for rate in rates
        for name, result in results(rules, _shortened(runs, rate, length * 60))
    }
    heads = [f"{length} min at {rate:g}/s" for length in minutes for rate in rates]
    rows = [[name, *(_percent(shares[length, rate, name]) for length in minutes for rate in rates)] for name in rules]
    return _lines(["requests in the window", *heads], rows)


def _shortened(runs: int, rate: float, seconds: int) -> list[Traffic]:
    whole = traffics(runs, rate, "threshold", lambda chance: good(chance, LIMIT / 2))
    return [Traffic(*(_beginning(track, seconds) for track in traffic)) for traffic in whole]


def _beginning(track: Track, seconds: int) -> Track:
    return Track([track.between(second, second + STEP) for second in range(0, seconds, STEP)])


def without_traffic(rule: str, seconds: int = HOUR) -> str:
    """What becomes of a candidate that nobody asks."""
    nothing = Track([Tally(0, 0)] * (seconds // STEP))
    ending, at = RULES[rule].judge(Traffic(nothing, nothing))
    return f"{ending} after {at // 60} min"


def _ending(found: Results, rule: str, scenario: str, rate: float, ending: Ending) -> float:
    return found[Cell(rule, scenario, rate)].endings[ending]


def _percent(share: float) -> str:
    return "0" if not share else "<1" if share < 0.005 else f"{100 * share:.0f}"


def _seconds(seconds: float) -> str:
    return "–" if seconds == inf else f"{seconds:g} s"


def _both(result: Result) -> str:
    return "–" if result.seconds == inf else f"{result.seconds:g} s ({result.requests:g})"


def _table(heads: Sequence[str], row: Callable[[str], list[str]]) -> str:
    return _lines(["", *heads], [[rule, *row(rule)] for rule in RULES])


def _lines(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    under = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|" for cells in (heads, under, *rows))
