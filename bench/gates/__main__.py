"""Gates compared: how often each rule rolls back a good release, misses a bad one, and how long it takes.

`python -m bench.gates` prints tables, from 400 hours of simulated traffic for each of 60 kinds; the same figures each
time, in a minute or so. `--quick` takes 20 hours of each, and seconds. `--write` puts the tables and pictures into
docs/gates.md. `--samples FILE` judges what a rollout's looks have recorded instead, all by the limit of 2 %.
Exits 1 when our own gate rolls back more than one good release in a hundred while errors are independent.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from bench.gates.compare import GOOD, RATES, RULES, Cell, compare
from bench.gates.plot import detection, rolled_back
from bench.gates.recorded import recorded, verdicts
from bench.gates.rules import Ending
from bench.gates.tables import tables

DOCS = Path("docs")
MARKS = re.compile("(<!-- figures -->\n).*(\n<!-- end of figures -->)", re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gates", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20 runs of each traffic instead of 400")
    parser.add_argument("--write", action="store_true", help="write docs/gates.md's tables and pictures")
    parser.add_argument("--samples", type=Path, metavar="FILE", help="judge the samples that tick has written instead")
    arguments = parser.parse_args()
    if arguments.samples:
        print("\n".join(verdicts(RULES, recorded(arguments.samples))))
        return 0
    runs = 20 if arguments.quick else 400
    found = compare(runs)
    text = tables(found, runs)
    print(text)
    if arguments.write:
        page = DOCS / "gates.md"
        page.write_text(MARKS.sub(lambda mark: f"{mark[1]}\n{text}\n{mark[2]}", page.read_text()))
        (DOCS / "gates-rolled-back.svg").write_text(rolled_back(found))
        (DOCS / "gates-detection.svg").write_text(detection(found))
    tripped = max(
        found[Cell("ours", f"good {times:g}", rate)].endings[Ending.ROLLED_BACK] for times in GOOD for rate in RATES
    )
    return int(tripped > 0.01)


if __name__ == "__main__":
    sys.exit(main())
