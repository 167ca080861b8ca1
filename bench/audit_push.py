"""What keeping an audit entry costs: latency under a steady load, and inserts a second against pgbench.

`python -m bench.audit_push [ROUNDS]` starts a Postgres of its own and the app as `webnext.processes.app` runs it, its
log going into a pipe.

Latency: 200 pushes a second for 10 s, each sent at its time whether or not those before it are answered, and measured
from that time. What its tail is held against is its own median: P95 by P50 and P99 by P50, of the same round. In turn
pgbench inserts at the same rate: what is slow there, too, is the disk's commit or the machine. Of the client it is told
by how much it was late itself.

Throughput: pgbench and wrk take turns, from this machine to the same address and as the same role: pgbench runs the
insert (both tables, prepared), wrk posts to /api/audit/push over as many connections; the adapter's own append(), by as
many callers, shows what HTTP costs. The share is that of one round, so that both met the same machine.

Of each figure the median of the rounds counts, three unless told, after one to warm up. Exits 1 when a limit is missed,
2 when pgbench (Debian: postgresql-contrib) or wrk (Debian: wrk) is missing. It takes four minutes, on a quiet machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import uvloop

from bench.push_rig import APPEND_SECONDS, ENTRY, PATH, app, child, push, request
from cutover.schema import migrator
from tests.support.postgres import WRITER, Database, new_database, running

RATE, SECONDS = 200, 10
P95 = 50.0
"""Limit, milliseconds."""
P95_BY_P50, P99_BY_P50 = 5.0, 20.0
"""Limits."""
SHARE = 0.60
"""Limit: inserts through HTTP by pgbench's."""
CLIENTS = (16, 32)
ROUND_SECONDS = APPEND_SECONDS
INSERT = f"""
WITH entry AS (
    INSERT INTO audit_log (action, result, strategy_id, trace_id, actor, details)
    VALUES ('{ENTRY["action"]}', '{ENTRY["result"]}', '{ENTRY["strategyId"]}', gen_random_uuid()::text, '127.0.0.1',
            '{json.dumps(ENTRY["details"])}')
    RETURNING id, ts)
INSERT INTO audit_idempotency (key, entry_id, entry_ts) SELECT gen_random_uuid()::text, id, ts FROM entry;
"""


class Tail(NamedTuple):
    """Of one round: percentiles in milliseconds."""

    p50: float
    p95: float
    p99: float
    longest: float

    @classmethod
    def of(cls, taken: Sequence[float]) -> Tail:
        hundredths = statistics.quantiles(taken, n=100)
        return cls(statistics.median(taken), hundredths[94], hundredths[98], max(taken))

    def __str__(self) -> str:
        return (
            f"P50 {self.p50:5.1f} ms, P95 {self.p95:5.1f} = {self.p95 / self.p50:4.1f} x, "
            f"P99 {self.p99:5.1f} = {self.p99 / self.p50:4.1f} x, longest {self.longest:.0f}"
        )


class Sent(NamedTuple):
    """Milliseconds, of one push: its answer from when it was due, and how late it was sent."""

    answered: float
    late: float


async def open_loop(port: int) -> list[Sent]:
    """The pushes of one round."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    seen: list[Sent] = []
    sent = request(ENTRY)

    async def one(due: float) -> None:
        connection = free.get_nowait() if not free.empty() else await asyncio.open_connection("127.0.0.1", port)
        late = time.perf_counter() - due
        assert await push(*connection, sent) == 200
        seen.append(Sent((time.perf_counter() - due) * 1000, late * 1000))
        free.put_nowait(connection)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(RATE * SECONDS):
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(due))
    while not free.empty():
        free.get_nowait()[1].close()
    return seen


def latency(database: Database, rounds: int) -> list[Tail]:
    """The pushes' tails, of each round but the first."""
    tails = []
    with tempfile.TemporaryDirectory() as name, app(database.server.url(WRITER, database.name)) as port:
        for number in range(rounds + 1):
            seen = uvloop.run(open_loop(port))
            paced = Path(name, str(number))
            by_pgbench(database, CLIENTS[0], paced, "--time", str(SECONDS), "--rate", str(RATE), "--log")
            waits = [int(line.split()[2]) / 1000 for log in paced.glob("pgbench_log*") for line in log.open()]
            if number:
                tails.append(Tail.of([each.answered for each in seen]))
                late = Tail.of([each.late for each in seen])
                print(f"  {RATE}/s, pushes   {tails[-1]}; sent late by {late.p99:.1f} ms at P99", flush=True)
                print(f"  {RATE}/s, pgbench  {Tail.of(waits)}", flush=True)
    return tails


def by_pgbench(database: Database, clients: int, folder: Path, *options: str) -> float:
    """Transactions a second."""
    parts = urlsplit(database.server.url(WRITER, database.name))
    folder.mkdir(exist_ok=True)
    passwords, script = folder / "passwords", folder / "insert.sql"
    passwords.touch(0o600)
    passwords.write_text(f"{parts.hostname}:*:*:{parts.username}:{parts.password}\n")
    script.write_text(INSERT)
    done = subprocess.run(
        [
            *("pgbench", "--no-vacuum", "--protocol", "prepared", "--file", script),
            *("--client", str(clients), "--jobs", "2", *(options or ("--time", str(ROUND_SECONDS)))),
            f"host={parts.hostname} user={parts.username} dbname={database.name} sslmode=require",
        ],
        env=os.environ | {"PGPASSFILE": str(passwords)},
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])


def by_http(port: int, clients: int, folder: Path) -> float:
    """Answers a second, all of them 200."""
    script = folder / "post.lua"
    script.write_text(f"wrk.method = 'POST'\nwrk.body = '{json.dumps(ENTRY)}'\n")
    done = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{ROUND_SECONDS}s"),
            *("--script", str(script), f"http://127.0.0.1:{port}{PATH}"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
    assert found, done.stdout
    assert "Non-2xx" not in done.stdout, done.stdout
    return float(found[1])


def by_append(database: Database, clients: int) -> float:
    """Appends a second."""
    with child("append", str(clients), url=database.server.url(WRITER, database.name)) as process:
        assert process.stdout
        return float(process.stdout.read())


def throughput(database: Database, clients: int, rounds: int) -> float:
    """The median share of pgbench's inserts that go through HTTP."""
    shares: dict[str, list[float]] = {"http": [], "append": []}
    with tempfile.TemporaryDirectory() as name, app(database.server.url(WRITER, database.name)) as port:
        for number in range(rounds + 1):
            pgbench = by_pgbench(database, clients, Path(name))
            seen = {"http": by_http(port, clients, Path(name)), "append": by_append(database, clients)}
            if number:
                told = [f"{way} {each:6,.0f}/s = {each / pgbench:.2f}" for way, each in seen.items()]
                print(f"  {clients} clients: pgbench {pgbench:6,.0f}/s, {', '.join(told)}", flush=True)
                for way, each in seen.items():
                    shares[way].append(each / pgbench)
    return statistics.median(shares["http"])


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    if missing := [tool for tool in ("pgbench", "wrk") if not shutil.which(tool)]:
        packages = {"pgbench": "postgresql-contrib", "wrk": "wrk"}
        print(f"missing: {', '.join(f'{tool} (Debian: {packages[tool]})' for tool in missing)}", file=sys.stderr)
        return 2
    with running() as server, new_database(server) as database:
        with database.connect() as owner:
            migrator.apply(owner, migrator.load(Path("migrations")))
        tails = latency(database, rounds)
        shares = [throughput(database, clients, rounds) for clients in CLIENTS]
    most = {
        "P95, ms": (statistics.median(each.p95 for each in tails), P95),
        "P95 by P50": (statistics.median(each.p95 / each.p50 for each in tails), P95_BY_P50),
        "P99 by P50": (statistics.median(each.p99 / each.p50 for each in tails), P99_BY_P50),
    }
    for name, (figure, limit) in most.items():
        print(f"  {name}: {figure:.1f}, limit {limit:g}")
    for clients, share in zip(CLIENTS, shares, strict=True):
        print(f"  inserts of {clients} clients by pgbench's: {share:.2f}, at least {SHARE:.2f}")
    return int(any(figure > limit for figure, limit in most.values()) or min(shares) < SHARE)


if __name__ == "__main__":
    sys.exit(main())
