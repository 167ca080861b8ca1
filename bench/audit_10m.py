"""How long the two reads of the audit log take at ten million rows: the newest 50, and one trace.

`python -m bench.audit_10m [ROWS]` starts a Postgres of its own, applies the migrations, fills twelve months evenly, and
asks as the app does, with the app's role and over TLS, for random traces of the whole year. It prints each query's
plan and its percentiles in milliseconds, and what an entry takes on disk. Exits 1 when a 95th percentile is above the
limit. Ten million rows take about five minutes and 6 GB.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from cutover.schema import migrator
from tests.support.postgres import Database, new_database, running

ROWS = 10_000_000
MONTHS = 12
LIMIT = 10.0
"""Milliseconds at the 95th percentile."""
ASKED = 2000
NEWEST = (
    "SELECT id, ts, action, result, strategy_id, trace_id, details FROM audit_log ORDER BY ts DESC, id DESC LIMIT 50"
)
TRACE = (
    "SELECT id, ts, action, result, strategy_id, trace_id, details FROM audit_log "
    "WHERE trace_id = %s ORDER BY ts DESC, id DESC LIMIT 50"
)
FILL = """
INSERT INTO audit_log (ts, action, result, strategy_id, trace_id, details)
SELECT start + span * (row::float8 / %(rows)s),
       'action_' || row %% 40, CASE WHEN row %% 50 = 0 THEN 'err' ELSE 'ok' END, 'strategy-' || row %% 200,
       'trace-' || to_char(row, 'FM000000000'),
       jsonb_build_object('symbol', 'BTCUSDT', 'size', row %% 1000, 'note', md5(row::text))
FROM generate_series(%(first)s::bigint, %(last)s::bigint) row,
     (SELECT date_trunc('month', now(), 'UTC') - interval '11 months' AS start) months,
     LATERAL (SELECT now() - start AS span) year
"""


def fill(database: Database, rows: int) -> None:
    """Makes the past months' partitions and fills them, a hundredth at a time."""
    with database.connect() as owner:
        owner.execute("SELECT ensure_audit_partitions(11, now() - interval '11 months')")
        step = max(1, rows // 100)
        for first in range(0, rows, step):
            owner.execute(FILL, {"rows": rows, "first": first, "last": min(first + step, rows) - 1})
            print(f"\r  filled {min(first + step, rows):>12,} of {rows:,}", end="", flush=True)
        print("\n  analysing", flush=True)
        owner.execute("VACUUM (ANALYZE) audit_log")


def timed(writer: psycopg.Connection, query: str, values: Sequence[tuple[Any, ...]], *, found: int) -> list[float]:
    """The milliseconds of each asking. Raises AssertionError when an answer has not `found` rows."""
    taken = []
    for each in values:
        began = time.perf_counter()
        rows = writer.execute(query, each).fetchall()
        taken.append((time.perf_counter() - began) * 1000)
        assert len(rows) == found, f"{len(rows)} rows, {found} expected: {each}"
    return taken


def show_plan(writer: psycopg.Connection, query: str, values: tuple[Any, ...]) -> None:
    """Prints the plan, without the partitions that were not touched and the conditions, which are all alike."""
    lines = [row[0] for row in writer.execute("EXPLAIN (ANALYZE, COSTS OFF) " + query, values)]
    for line in lines:
        if not any(words in line for words in ("never executed", "Index Cond:", "Filter:")):
            print(f"    {line}")


def main() -> int:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    worst = 0.0
    with running() as server, new_database(server) as database:
        with database.connect() as owner:
            migrator.apply(owner, migrator.load(Path("migrations")))
        fill(database, rows)
        with database.connect() as owner:
            size = owner.execute(
                "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('audit_log')"
            ).fetchone()
        assert size
        print(f"  {rows:,} rows over {MONTHS} months, {int(size[0]) / rows:.0f} bytes an entry with its indexes\n")
        chance = random.Random(17)
        traces = [(f"trace-{chance.randrange(rows):09}",) for _ in range(ASKED)]
        cases = (("newest 50", NEWEST, [()] * ASKED, 50), ("one trace", TRACE, traces, 1))
        with database.connect("audit_writer") as writer:
            for name, query, values, found in cases:
                taken = timed(writer, query, values, found=found)
                p50, p95, longest = statistics.median(taken), statistics.quantiles(taken, n=20)[-1], max(taken)
                worst = max(worst, p95)
                print(f"  {name}: {ASKED} asked, P50 {p50:.2f} ms, P95 {p95:.2f} ms, longest {longest:.2f} ms")
                show_plan(writer, query, values[0])
                print()
    print(f"  worst P95 {worst:.2f} ms, limit {LIMIT:g}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
