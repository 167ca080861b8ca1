"""Exact probabilities of the gates: what becomes of every possible count, request by request, none sampled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp, log

from cutover.gates.evidence import FAILS_AT, LEAST, Tally, combined, evidence, evidence_above

NEGLIGIBLE = 1e-18
"""A count that is less likely is followed no further; it is added to the trips, so that no figure is too small."""


def bounds(fails: Callable[[int, int], bool]) -> Iterator[int]:
    """For 1, 2, … requests the least number of bad ones with which a gate has failed."""
    bad, of = 0, 0
    while True:
        of += 1
        while bad <= of and not fails(bad, of):
            bad += 1
        yield bad if of >= LEAST else of + 1


def tripped(limit: float, share: float, points: int = 0) -> Iterator[tuple[float, dict[int, float]]]:
    """For 1, 2, … requests, each bad with the chance `share`: the chance that the gate has failed by then, looked at
    after each; and the chance of each count of bad ones with which it has not."""
    alive, gone = {0: 1.0}, 0.0

    def fails(bad: int, of: int) -> bool:
        return combined(evidence(limit, Tally(bad, of)), (), points) >= log(FAILS_AT)

    for bound in bounds(fails):
        after: dict[int, float] = {}
        for bad, chance in alive.items():
            after[bad] = after.get(bad, 0.0) + chance * (1 - share)
            after[bad + 1] = after.get(bad + 1, 0.0) + chance * share
        alive = {bad: chance for bad, chance in after.items() if bad < bound and chance > NEGLIGIBLE}
        gone += sum(chance for bad, chance in after.items() if bad not in alive)
        yield gone, alive


def yet(limit: float, of: int, alive: dict[int, float]) -> float:
    """The most that may be added to the chance of failing after so many requests, however long it goes on."""
    return sum(chance * exp(evidence(limit, Tally(bad, of))) for bad, chance in alive.items()) / FAILS_AT


def median(limit: float, share: float, points: int = 0) -> int:
    """The number of requests by which a gate has failed in half of all cases, before the first of the points from which
    counting begins anew."""
    return next(of for of, (gone, _) in enumerate(tripped(limit, share, points), 1) if gone >= 0.5)


def tripped_anew(limit: float, share: float, first: int, last: int) -> float:
    """The chance that a gate whose counting begins anew once, after `first` requests, has failed within `last`, looked
    at after each."""
    alive, gone = {(0, 0): 1.0}, 0.0
    for of in range(1, last + 1):
        after: dict[tuple[int, int], float] = {}
        for (before, since), chance in alive.items():
            for bad, own in ((0, 1 - share), (1, share)):
                key = (before + bad, 0) if of <= first else (before, since + bad)
                after[key] = after.get(key, 0.0) + chance * own
        alive = {}
        for (before, since), chance in after.items():
            whole = evidence(limit, Tally(before + since, of))
            late = [evidence(limit, Tally(since, of - first))] if of > first else []
            fails = of >= LEAST and combined(whole, late, 1) >= log(FAILS_AT)
            if fails or chance < NEGLIGIBLE:
                gone += chance
            else:
                alive[before, since] = chance
    return gone


def tripped_above(limit: float, stables: float, share: float) -> Iterator[float]:
    """For 1, 2, … requests to each track in turn, with these chances of being bad: that the gate which compares them
    has failed by then."""
    alive, gone, of = {(0, 0): 1.0}, 0.0, 0
    bounds: dict[int, int] = {}
    while True:
        of += 1
        after: dict[tuple[int, int], float] = {}
        for (bad, others), chance in alive.items():
            for more, own in ((0, 1 - share), (1, share)):
                for further, other in ((0, 1 - stables), (1, stables)):
                    key = bad + more, others + further
                    after[key] = after.get(key, 0.0) + chance * own * other
        for others in {others for _, others in after}:
            bounds[others] = _bound_above(limit, of, others, bounds.get(others, 0))
        alive = {
            (bad, others): chance
            for (bad, others), chance in after.items()
            if chance > NEGLIGIBLE and (bad < bounds[others] or of < LEAST)
        }
        gone += sum(chance for key, chance in after.items() if key not in alive)
        yield gone


def _bound_above(limit: float, of: int, others: int, near: int) -> int:
    """The least number of bad ones with which the gate has failed, `others` of stable's being bad."""

    def fails(bad: int) -> bool:
        return bad > of or evidence_above(limit, Tally(bad, of), Tally(others, of)) >= log(FAILS_AT)

    while near and fails(near - 1):
        near -= 1
    while not fails(near):
        near += 1
    return near
