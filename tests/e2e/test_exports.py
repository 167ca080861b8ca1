"""Large exports that several people take at once, slowly, through the edge: each is whole, and nobody's memory is."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass

import httpx
import pytest

from tests.support.resources import watched
from tests.support.system import System, wait_for

pytestmark = pytest.mark.e2e

READERS = 8
OLDEST, YOUNGEST = 31, 30
"""Hours ago: nobody else exports those entries."""
ENTRY_BYTES = 1000
FILL = f"""
INSERT INTO audit_log (ts, action, result, trace_id, details)
SELECT now() - interval '{YOUNGEST} hours' - n * interval '1 millisecond', 'export', 'ok', 'export-' || n,
    jsonb_build_object('text', repeat('x', {ENTRY_BYTES - 100}))
FROM generate_series(1, %s) n"""


@dataclass(frozen=True)
class Taken:
    """An export as its reader has it: when the first piece came, in seconds, how many bytes and entries, the end."""

    first: float
    size: int
    entries: int
    end: str


async def take(http: httpx.AsyncClient, pace: float) -> Taken:
    """All of it, so many bytes a second."""
    began, first, size, lines, end = time.monotonic(), 0.0, 0, 0, b""
    async with http.stream("POST", "/api/snapshot/export", json={"hours": OLDEST + 1}) as answer:
        assert answer.status_code == 200
        async for piece in answer.aiter_raw():
            first = first or time.monotonic() - began
            size, lines, end = size + len(piece), lines + piece.count(b"\n"), (end + piece)[-200:]
            await asyncio.sleep(max(0.0, began + size / pace - time.monotonic()))
    comments = 8 + 1 + 1  # the head, the columns' names, the end
    return Taken(first, size, lines - comments, end.decode().splitlines()[-1])


@pytest.mark.parametrize(
    ("size", "pace"),
    [(10e6, 1e6), pytest.param(100e6, 200e3, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])],
    ids=["10 MB at 1 MB/s", "100 MB at 200 KB/s"],
)
def test_eight_slow_readers_each_have_their_export_whole(
    standing: System, size: float, pace: float, capsys: pytest.CaptureFixture[str]
) -> None:
    with standing.connect("AUDIT_DB_OWNER_URL") as owner:
        owner.execute("SELECT ensure_audit_partitions(1, now() - interval '2 days')")
        found = owner.execute("SELECT count(*) FROM audit_log WHERE action = 'export'").fetchone()
        assert found
        owner.execute(FILL, (int(size / ENTRY_BYTES) - found[0],))
    wait_for(standing.well)
    trusted = ssl.create_default_context(cafile=str(standing.folder / ".local" / "tls" / "ca.pem"))
    edge = f"https://localhost:{standing.machine.edge_port}"

    async def read() -> list[Taken]:
        headers = {"accept-encoding": "identity"}
        async with httpx.AsyncClient(
            base_url=edge, verify=trusted, timeout=30, trust_env=False, headers=headers
        ) as http:
            return await asyncio.gather(*(take(http, pace) for _ in range(READERS)))

    began = time.monotonic()
    with watched(standing, 1.0) as resources:
        taken = asyncio.run(read())
    with capsys.disabled():
        print(
            f"\n  {READERS} exports of {size / 1e6:.0f} MB, {time.monotonic() - began:.0f} s",
            *resources.table(),
            sep="\n  ",
        )
    assert {each.end for each in taken} == {f"# Rows: {taken[0].entries}"}
    assert {each.entries for each in taken} == {taken[0].entries}
    assert taken[0].entries >= size / ENTRY_BYTES
    assert min(each.size for each in taken) >= size * 0.9
    assert max(each.first for each in taken) < 5, "nobody waits for the others"
    assert resources.problems() == []
