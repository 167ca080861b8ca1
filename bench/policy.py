"""How much longer a preview of prod takes with the policy pack, through the stand-ins.

`python -m bench.policy [RUNS]` previews a prod that was never up with and without the pack in turn, in a temporary
folder, and prints the medians and their ratio. Exits 1 above the limit. It needs a prepared clone: `. .local/env`.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.support.prod import ROOT, Prod, make_prod

LIMIT = 1.25
RUNS = 5


def preview(prod: Prod, *more: str) -> float:
    """The seconds that a preview takes. Exits with what it said if it fails."""
    file = prod.file()
    begin = time.perf_counter()
    done = prod.pulumi("preview", "--config-file", file, *more)
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"the preview failed:\n{done.stdout}{done.stderr}")
    return seconds


def main() -> None:
    """Prints the medians and their ratio."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    ways: dict[str, list[str]] = {"plain": [], "judged": ["--policy-pack", str(ROOT / "policy")]}
    times: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        prod = make_prod(Path(name), Path(os.environ["PULUMI_HOME"]))
        for _ in range(runs + 1):
            for way, more in ways.items():
                times[way].append(preview(prod, *more))
    plain, judged = (statistics.median(times[way][1:]) for way in ways)  # the first run warms up
    ratio = judged / plain
    print(f"preview of prod {plain:.2f} s, judged by the policy {judged:.2f} s: ratio {ratio:.2f}, limit {LIMIT}")
    sys.exit(ratio > LIMIT)


if __name__ == "__main__":
    main()
