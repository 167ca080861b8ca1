"""How often the rate check is wrong: simulated runs of each plan against nginx's arithmetic, as a table in Markdown.

`python -m bench.limit_runs [RUNS [CASES]]` runs each case so often (1000 unless told) on all processors: with a
neighbour of 0.7 requests a second on the same address and without, near by and with up to 100 ms in each direction.
CASES is a regular expression for those to run alone. Exits 1 when a right limit was called broken, or another one
right, in more than one run of a thousand.
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from cutover.smoke.limit_run import Ruling, at_once, fast, paced, pauses, sparse
from cutover.smoke.limiter import Limit
from tests.support.edge_double import Nginx, NoLimit
from tests.support.limited import Balancer, Edges, Neighbour

LIMIT = Limit.of(60, 10)
LIMITERS: dict[str, Callable[[], Nginx | NoLimit]] = {
    "right": lambda: Nginx(60, 10),
    "off": NoLimit,
    "half": lambda: Nginx(30, 10),
    "twice": lambda: Nginx(120, 10),
    "burst 0": lambda: Nginx(60, 0),
    "burst 5": lambda: Nginx(60, 5),
    "burst 20": lambda: Nginx(60, 20),
}
NEIGHBOURS: tuple[Neighbour, ...] = ("none", "poisson", "even")
WAYS = {"1 ms": (0.0002, 0.002), "0-100 ms": (0.0005, 0.1)}


@dataclass(frozen=True)
class Case:
    """One row; the sparse plan has the profile's requests for `most` edges, of which `edges` are there, and what 14 of
    the other checks leave of 20."""

    plan: str
    edges: int
    most: int
    balancer: Balancer
    way: str
    neighbour: Neighbour
    limiter: str

    def run(self, seed: int) -> tuple[Ruling, int]:
        """What the check says, and how often it sent."""
        plan = {
            "fast": fast(LIMIT, self.edges),
            "sparse": sparse(LIMIT, self.most, at_once(LIMIT, self.most) + 6),
            "paced": paced(LIMIT),
        }[self.plan]
        if self.way != "1 ms" and self.plan != "paced":
            plan = replace(plan, lanes=max(plan.lanes, LIMIT.burst + 1))
        edges = Edges(
            limiters=[LIMITERS[self.limiter]() for _ in range(self.edges)],
            dice=random.Random(f"{self} {seed}"),
            balancer=self.balancer,
            neighbour=self.neighbour,
            way=WAYS[self.way],
            nodes=min(2, self.most),
        )
        waits = pauses(LIMIT) if self.plan == "fast" else ()
        judgement, sent = edges.judged(plan, LIMIT, waits)
        return judgement.ruling, sent


def cases() -> Iterator[Case]:
    """Fast and paced before one edge, sparse before one and before two to six tasks behind a balancer of two nodes."""
    for limiter in LIMITERS:
        for neighbour in NEIGHBOURS:
            for way in WAYS:
                yield Case("fast", 1, 1, "takes turns", way, neighbour, limiter)
            yield Case("paced", 1, 1, "takes turns", "1 ms", neighbour, limiter)
        for neighbour in NEIGHBOURS[:2]:
            for way in WAYS:
                yield Case("sparse", 1, 1, "takes turns", way, neighbour, limiter)
                for count in range(2, 7):
                    yield Case("sparse", count, 6, "takes turns", way, neighbour, limiter)
                    yield Case("sparse", count, 6, "least outstanding", way, neighbour, limiter)


def main(runs: int, only: str) -> int:
    """Prints the table; the number of cases that are wrong too often."""
    wrong = 0
    print("| plan | edges | of most | balancer | way | neighbour | limiter | holds | broken | undecided | sent again |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor() as pool:
        for case in cases():
            if not re.search(only, str(case)):
                continue
            found = list(pool.map(case.run, range(runs), chunksize=8))
            count = Counter(ruling for ruling, _ in found)
            figures = [
                count[Ruling.HOLDS],
                count[Ruling.BROKEN],
                count[Ruling.UNDECIDED],
                sum(sent > 1 for _, sent in found),
            ]
            columns = [
                case.plan,
                case.edges,
                case.most,
                case.balancer,
                case.way,
                case.neighbour,
                case.limiter,
                *figures,
            ]
            print("| " + " | ".join(str(column) for column in columns) + " |", flush=True)
            bad = count[Ruling.BROKEN if case.limiter == "right" else Ruling.HOLDS]
            wrong += bad > runs / 1000
    return wrong


if __name__ == "__main__":
    runs, only, *_ = [*sys.argv[1:], *("1000", "")[len(sys.argv) - 1 :]]
    sys.exit(min(1, main(int(runs), only)))
