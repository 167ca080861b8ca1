"""What a migration costs: the migrator against `psql -f` on the same files, and how long readers wait meanwhile.

`python -m bench.migrations [ROUNDS]` starts a Postgres of its own. Each round migrates an empty database with psql, in
its container, and one with the migrator, from connecting to the last commit, and prints both medians and their ratio.
Then readers ask for the newest 50 entries, without pause, while each migration is applied to a year of entries; and
once more while a migration wants a lock that a long transaction holds. Exits 1 above a limit.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from cutover.schema import migrator
from cutover.schema.files import load
from tests.support.containers import docker
from tests.support.postgres import PASSWORD, Database, Server, new_database, running

MIGRATIONS = Path("migrations")
RATIO, P99, LONGEST = 1.5, 100.0, 200.0
"""Limits: the migrator's time by psql's; milliseconds a reader waits without a blocker at the 99th percentile, and with
one at most: lock_timeout and 100 more."""
ENTRIES = 200_000
READERS = 2
NEWEST = "SELECT id, ts, action, result, trace_id, details FROM audit_log ORDER BY ts DESC, id DESC LIMIT 50"
FILL = """
INSERT INTO audit_log (ts, action, result, trace_id, details)
SELECT now() - row * interval '0.3 seconds', 'bench', 'ok', 'trace-' || row, '{"size": 1}'
FROM generate_series(1, %s) row
"""
WANTS_EVERYTHING = "ALTER TABLE audit_log ADD COLUMN bench TEXT;\n"


def by_psql(server: Server, database: Database) -> float:
    """Seconds of one psql process over all files, in the server's container and over TLS as well."""
    files = " ".join(f"-f /tmp/migrations/{path.name}" for path in sorted(MIGRATIONS.glob("*.sql")))
    url = f"'host=127.0.0.1 user=audit_owner dbname={database.name} sslmode=require'"
    script = (
        f"export PGPASSFILE=/tmp/pgpass; began=$(date +%s%N); psql -Xq -v ON_ERROR_STOP=1 {files} {url} >/dev/null; "
        "echo $(( $(date +%s%N) - began ))"
    )
    return int(docker("exec", server.container, "sh", "-c", script).splitlines()[-1]) / 1e9


def by_migrator(database: Database) -> float:
    """Seconds from connecting to the last commit."""
    began = time.perf_counter()
    with migrator.connect(database.owner_url) as owner:
        migrator.apply(owner, load(MIGRATIONS))
    return time.perf_counter() - began


def ratio(server: Server, rounds: int) -> float:
    """The migrator's median by psql's, each round one of both, on databases of their own."""
    docker("cp", str(MIGRATIONS), f"{server.container}:/tmp/migrations")
    line = f"127.0.0.1:*:*:audit_owner:{PASSWORD}"
    docker("exec", server.container, "sh", "-c", f"umask 077 && echo '{line}' > /tmp/pgpass")
    seconds: dict[str, list[float]] = {"psql": [], "migrator": []}
    for _ in range(rounds + 1):
        with new_database(server) as database:
            seconds["psql"].append(by_psql(server, database))
        with new_database(server) as database:
            seconds["migrator"].append(by_migrator(database))
    medians = {name: statistics.median(times[1:]) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"  {name:<9} {median * 1000:6.0f} ms  median of {rounds}")
    return medians["migrator"] / medians["psql"]


@contextmanager
def reading(database: Database) -> Iterator[list[tuple[float, float]]]:
    """Readers that ask without pause for as long as the block runs; yields their (begin, end) as they come."""
    asked: list[tuple[float, float]] = []
    over = threading.Event()

    def read() -> None:
        with database.connect("audit_reader") as reader:
            while not over.is_set():
                began = time.perf_counter()
                reader.execute(NEWEST).fetchall()
                asked.append((began, time.perf_counter()))

    threads = [threading.Thread(target=read) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        over.set()
        for thread in threads:
            thread.join()


def during(asked: list[tuple[float, float]], began: float, ended: float) -> list[float]:
    """The milliseconds of the askings that overlap the time between."""
    return [(end - begin) * 1000 for begin, end in asked if end >= began and begin <= ended]


def each_migration(server: Server, rounds: int) -> float:
    """The worst 99th percentile among the migrations that come after the table exists, over all rounds."""
    files = load(MIGRATIONS)
    waits: dict[str, list[float]] = {migration.file: [] for migration in files[1:]}
    for _ in range(rounds):
        with new_database(server) as database, database.connect() as owner:
            migrator.apply(owner, files[:1])
            owner.execute(FILL, (ENTRIES,))
            with reading(database) as asked:
                time.sleep(0.5)
                for count, migration in enumerate(files[1:], start=2):
                    began = time.perf_counter()
                    migrator.apply(owner, files[:count])
                    waits[migration.file] += during(asked, began, time.perf_counter())
                    time.sleep(0.2)
    worst = 0.0
    for file, milliseconds in waits.items():
        p99 = statistics.quantiles(milliseconds, n=100)[-1]
        worst = max(worst, p99)
        print(f"  {file:<28} {len(milliseconds):>5} reads, P99 {p99:6.1f} ms, longest {max(milliseconds):6.1f} ms")
    return worst


def behind_a_blocker(server: Server) -> float:
    """The longest wait of a reader while a migration tries, for three seconds, to get past a long transaction."""
    with tempfile.TemporaryDirectory() as name, new_database(server) as database, database.connect() as owner:
        folder = Path(shutil.copytree(MIGRATIONS, Path(name) / "migrations"))
        migrator.apply(owner, load(folder))
        owner.execute(FILL, (ENTRIES // 10,))
        (folder / f"{len(load(folder)) + 1:03}_bench.sql").write_text(WANTS_EVERYTHING)
        blocker = psycopg.connect(server.url("audit_reader", database.name))
        blocker.execute("SELECT count(*) FROM audit_log")
        threading.Timer(3, blocker.close).start()
        with reading(database) as asked:
            time.sleep(0.5)
            began = time.perf_counter()
            migrator.apply(owner, load(folder), report=lambda line: print(f"  {line}"))
            waits = during(asked, began, time.perf_counter())
    p99 = statistics.quantiles(waits, n=100)[-1]
    print(f"  behind a blocker: {len(waits)} reads, P99 {p99:.1f} ms, longest {max(waits):.1f} ms")
    return max(waits)


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with running() as server:
        found = {
            "migrator by psql": (ratio(server, rounds), RATIO),
            "reader's P99, ms": (each_migration(server, rounds), P99),
            "reader's longest behind a blocker, ms": (behind_a_blocker(server), LONGEST),
        }
    for name, (figure, limit) in found.items():
        print(f"  {name}: {figure:.2f}, limit {limit:g}")
    return int(any(figure > limit for figure, limit in found.values()))


if __name__ == "__main__":
    sys.exit(main())
