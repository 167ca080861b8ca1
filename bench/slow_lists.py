"""What pushes pay for lists that are slow: their 95th percentile beside ten readers by that without, in one run.

`python -m bench.slow_lists [ROUNDS]` starts a Postgres of its own and the app as `bench.audit_push` does. 200 pushes a
second are sent for 10 s at a time, in turn alone, beside readers whose lists wait for 1.2 s in Postgres, as on a slow
disk, and beside readers whose lists compute there for about as long. Ten readers ask again when they are answered, once
a second at most; their statements are made slow in the app's process. It tells how many lists had Postgres' entries: a
limit that is met by refusing more of them is not met. Exits 1 when the ratio of the medians is beyond the limit or when
a fallback has kept a push.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvloop

from bench.audit_push import open_loop
from bench.push_rig import ENTRY, post, serve_bench
from cutover.schema import migrator
from tests.support.containers import free_port, wait_until
from tests.support.postgres import WRITER, new_database, running
from webnext.audit import log

READERS = 10
RATIO = 3.0
"""Limit."""
WAIT = f"{log._ITEM}, pg_sleep(1.2) ORDER BY ts DESC LIMIT %s"
WORK = (
    f"{log._ITEM}, (SELECT sum(sqrt(n)) FROM generate_series(1, 3000000) n) AS work "
    "WHERE %s::text IS NOT NULL ORDER BY ts DESC LIMIT %s"
)
BESIDE: dict[str, dict[str, Any] | None] = {
    "alone": None,
    "beside lists that wait": {"limit": 50},
    "beside lists that compute": {"limit": 50, "traceId": "bench-slow"},
}
"""What the readers ask for."""


@contextmanager
def app(url: str) -> Iterator[int]:
    """The app on a port of its own, its lists slow, its log dropped; the database's address goes to its input."""
    port = free_port()
    command = [sys.executable, "-m", "bench.slow_lists", "serve", str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stdin
        process.stdin.write(url)
        process.stdin.close()
        wait_until(lambda: asyncio.run(post(port, ENTRY)) == 200, "the app")
        try:
            yield port
        finally:
            process.terminate()


async def measured(port: int, asked: dict[str, Any] | None) -> tuple[float, int, int]:
    """The pushes' 95th percentile in milliseconds, how many lists there were meanwhile, and how many by a fallback."""
    lists, mocks = 0, 0

    async def read() -> None:
        nonlocal lists, mocks
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False) as http:
            while True:
                again = asyncio.create_task(asyncio.sleep(1))
                answer = (await http.post("/api/audit/list", json=asked)).json()
                lists, mocks = lists + 1, mocks + answer["_mock"]
                await again

    readers = [asyncio.create_task(read()) for _ in range(READERS if asked else 0)]
    taken = await open_loop(port)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    return statistics.quantiles((push.answered for push in taken), n=20)[-1], lists, mocks


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    seen: dict[str, list[float]] = {name: [] for name in BESIDE}
    with running() as server, new_database(server) as database:
        with database.connect() as owner:
            migrator.apply(owner, migrator.load(Path("migrations")))
        with app(server.url(WRITER, database.name)) as port:
            for _ in range(rounds):
                for name, asked in BESIDE.items():
                    p95, lists, mocks = uvloop.run(measured(port, asked))
                    seen[name].append(p95)
                    print(f"  {name:<26} P95 {p95:6.1f} ms  {lists} lists, {lists - mocks} from Postgres", flush=True)
    medians = {name: statistics.median(each) for name, each in seen.items()}
    ratios = {name: median / medians["alone"] for name, median in medians.items()}
    print(*(f"  {name:<26} {ratio:.1f} x, limit {RATIO:g}" for name, ratio in ratios.items()), sep="\n")
    return int(max(ratios.values()) > RATIO)


def serve(port: int, url: str) -> None:
    """The process under test."""
    vars(log).update(_NEWEST=WAIT, _TRACE=WORK)
    serve_bench(port, url)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), sys.stdin.read())
    else:
        sys.exit(main())
