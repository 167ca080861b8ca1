"""What keeping an audit entry costs: latency under a steady load, and inserts a second against pgbench.

`python -m bench.audit_push [ROUNDS]` starts a Postgres of its own and the app as `webnext.processes.app` runs it, its
log going into a pipe. First 200 pushes a second are sent for 20 s, each at its time whether or not those before it are
answered, and each is measured from that time. Then pgbench and wrk take turns, from this machine to the same address
and as the same role: pgbench runs the insert (both tables, prepared), wrk posts to /api/audit/push over as many
connections; the adapter's own append(), by as many callers, shows what HTTP costs. Exits 1 when a limit is missed, 2
when pgbench (Debian: postgresql-contrib) or wrk (Debian: wrk) is missing.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

from cutover.schema import migrator
from tests.support.containers import free_port, wait_until
from tests.support.postgres import WRITER, Database, new_database, running
from webnext import logs
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.audit.production import ProductionAudit
from webnext.contract import AuditEntryV1
from webnext.executor import Executor
from webnext.postgres import Postgres
from webnext.server import serve
from webnext.settings import Settings
from webnext.vault import Vault

RATE, SECONDS = 200, 20
P95 = 50.0
"""Limit, milliseconds."""
SHARE = 0.60
"""Limit: inserts through HTTP by pgbench's."""
CLIENTS = (16, 32)
ROUND_SECONDS = 5
PATH = "/api/audit/push"
ENTRY: dict[str, Any] = {
    "action": "deploy",
    "result": "ok",
    "strategyId": "strategy-17",
    "details": {"symbol": "BTCUSDT", "size": 100, "note": "bench"},
}
INSERT = f"""
WITH entry AS (
    INSERT INTO audit_log (action, result, strategy_id, trace_id, details)
    VALUES ('{ENTRY["action"]}', '{ENTRY["result"]}', '{ENTRY["strategyId"]}', gen_random_uuid()::text,
            '{json.dumps(ENTRY["details"])}')
    RETURNING id, ts)
INSERT INTO audit_idempotency (key, entry_id, entry_ts) SELECT gen_random_uuid()::text, id, ts FROM entry;
"""


@dataclass(frozen=True)
class Secrets:
    """A Secrets Manager that holds one address."""

    url: str

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803, ARG002
        return {"SecretString": self.url}


def adapter(url: str) -> ProductionAudit:
    """The adapter on this database, with nothing to fall back to."""
    return ProductionAudit(Postgres(Vault("bench/", lambda: Secrets(url))), Executor(None), None)


def serve_bench(port: int, url: str) -> None:
    """The process under test."""
    logs.configure()
    serve(create_app(replace(services_for(Settings()), audit=adapter(url))), port)


def append_bench(callers: int, url: str) -> None:
    """Prints how many appends a second the adapter does for so many callers."""

    async def run() -> None:
        audit, entry, count = adapter(url), AuditEntryV1.model_validate(ENTRY), 0
        await audit.open()
        await audit.append(entry, "warm")
        deadline = time.monotonic() + ROUND_SECONDS

        async def call() -> None:
            nonlocal count
            while time.monotonic() < deadline:
                answer = await audit.append(entry, "bench")
                assert not answer.mock
                count += 1

        await asyncio.gather(*(call() for _ in range(callers)))
        await audit.close()
        print(count / ROUND_SECONDS)

    uvloop.run(run())


@contextmanager
def child(*arguments: str, url: str) -> Iterator[subprocess.Popen[str]]:
    """This module as another process; the database's address goes to its standard input, where nobody reads it."""
    command = [sys.executable, "-m", "bench.audit_push", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write(url)
        process.stdin.close()
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def app(url: str) -> Iterator[int]:
    """The app on a port of its own, its log read and dropped by `cat`."""
    port = free_port()
    with (
        child("serve", str(port), url=url) as process,
        subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL),
    ):
        wait_until(lambda: asyncio.run(post(port, ENTRY)) == 200, "the app")
        try:
            yield port
        finally:
            process.terminate()


async def post(port: int, body: Any) -> int:
    """The status of one push on a connection of its own."""
    connection = await asyncio.open_connection("127.0.0.1", port)
    status = await push(*connection, request(body))
    connection[1].close()
    return status


def request(body: Any) -> bytes:
    content = json.dumps(body).encode()
    return b"POST %b HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%b" % (PATH.encode(), len(content), content)


async def push(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> int:
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    assert found
    answer = json.loads(await reader.readexactly(int(found[1])))
    assert "_mock" not in answer, f"a fallback answered: {answer}"
    return int(head.split()[1])


async def open_loop(port: int) -> list[float]:
    """The milliseconds of each push, from when it was due."""
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    taken: list[float] = []
    sent = request(ENTRY)

    async def one(due: float) -> None:
        connection = free.get_nowait() if not free.empty() else await asyncio.open_connection("127.0.0.1", port)
        assert await push(*connection, sent) == 200
        taken.append((time.perf_counter() - due) * 1000)
        free.put_nowait(connection)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(RATE * SECONDS):
            due = began + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(one(due))
    while not free.empty():
        free.get_nowait()[1].close()
    return taken


def latency(database: Database) -> float:
    """The 95th percentile in milliseconds."""
    with app(database.server.url(WRITER, database.name)) as port:
        taken = uvloop.run(open_loop(port))
    hundredths = statistics.quantiles(taken, n=100)
    p50, p95, p99 = statistics.median(taken), hundredths[94], hundredths[98]
    print(
        f"  {RATE}/s for {SECONDS} s: P50 {p50:.1f} ms, P95 {p95:.1f} ms, P99 {p99:.1f} ms, longest {max(taken):.1f} ms"
    )
    return p95


def by_pgbench(database: Database, clients: int, folder: Path) -> float:
    """Transactions a second."""
    parts = urlsplit(database.server.url(WRITER, database.name))
    passwords, script = folder / "passwords", folder / "insert.sql"
    passwords.touch(0o600)
    passwords.write_text(f"{parts.hostname}:*:*:{parts.username}:{parts.password}\n")
    script.write_text(INSERT)
    done = subprocess.run(
        [
            *("pgbench", "--no-vacuum", "--protocol", "prepared", "--file", script),
            *("--client", str(clients), "--jobs", "2", "--time", str(ROUND_SECONDS)),
            f"host={parts.hostname} user={parts.username} dbname={database.name} sslmode=require",
        ],
        env=os.environ | {"PGPASSFILE": str(passwords)},
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
    """The median of inserts through HTTP by the median of pgbench's; both take turns, after one round to warm up."""
    seen: dict[str, list[float]] = {"pgbench": [], "http": [], "append": []}
    with tempfile.TemporaryDirectory() as name, app(database.server.url(WRITER, database.name)) as port:
        for _ in range(rounds + 1):
            seen["pgbench"].append(by_pgbench(database, clients, Path(name)))
            seen["http"].append(by_http(port, clients, Path(name)))
            seen["append"].append(by_append(database, clients))
    medians = {way: statistics.median(found[1:]) for way, found in seen.items()}
    for way, median in medians.items():
        spread = ", ".join(f"{each:,.0f}" for each in seen[way][1:])
        print(
            f"  {clients} clients, {way:<8} {median:8,.0f}/s = {median / medians['pgbench']:.2f} of pgbench  ({spread})"
        )
    return medians["http"] / medians["pgbench"]


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    if missing := [tool for tool in ("pgbench", "wrk") if not shutil.which(tool)]:
        packages = {"pgbench": "postgresql-contrib", "wrk": "wrk"}
        print(f"missing: {', '.join(f'{tool} (Debian: {packages[tool]})' for tool in missing)}", file=sys.stderr)
        return 2
    with running() as server, new_database(server) as database:
        with database.connect() as owner:
            migrator.apply(owner, migrator.load(Path("migrations")))
        p95 = latency(database)
        shares = [throughput(database, clients, rounds) for clients in CLIENTS]
    print(f"  P95 {p95:.1f} ms, limit {P95:g}; least share of pgbench {min(shares):.2f}, limit {SHARE:.2f}")
    return int(p95 > P95 or min(shares) < SHARE)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve_bench(int(sys.argv[2]), sys.stdin.read())
    elif sys.argv[1:2] == ["append"]:
        append_bench(int(sys.argv[2]), sys.stdin.read())
    else:
        sys.exit(main())
