"""What prod costs a month and what carries how many users: docs/cost.md, from the captured prod.

`python -m bench.cost` prints the page's tables; `--write` puts them into the page. Exits 1 when the page had others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.cost.tables import tables, written
from tests.support.prod import texts
from tests.unit.infra.parts import run

PAGE = Path("docs/cost.md")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cost", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE}")
    arguments = parser.parse_args()
    made = tables(run(texts(**{"database.access": "tunnel"})))
    had = PAGE.read_text()
    page = written(had, made)
    if arguments.write:
        PAGE.write_text(page)
        return 0
    print("\n\n".join(made.values()))
    return int(page != had)


if __name__ == "__main__":
    sys.exit(main())
