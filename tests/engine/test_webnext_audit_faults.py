"""Faults with load on: every accepted entry is in the audit log exactly once in the end, and nothing is a 500."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import product
from typing import Any

import httpx
import pytest
import uvicorn
from prometheus_client import REGISTRY

from tests.support.audit import ENTRY, Gate, Ground, Load, Rig, entry, killed, load, paused, stopped
from tests.support.containers import free_port
from tests.support.postgres import MASTER, WRITER, Server
from webnext.dependency import PAUSE_SECONDS, AwayError
from webnext.postgres import FRESH_SECONDS, SECONDS

pytestmark = pytest.mark.engine

PUSH = "/api/audit/push"
BOUND = 7.0
"""Seconds within which a push is answered, whatever hangs: six, and one for a machine that is busy."""
FAULTS: dict[str, Callable[[Server], AbstractContextManager[None]]] = {
    "stopped": stopped,
    "killed": killed,
    "paused": paused,
}
soak = pytest.mark.soak


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def pushes_by_fallback() -> float:
    """How many answers to a push are counted as fallbacks, whatever was away first."""
    samples = next(found for found in REGISTRY.collect() if found.name == "web_next_fallbacks").samples
    return sum(each.value for each in samples if each.name[-5:] == "total" and each.labels["route"] == PUSH)


async def during(fault: AbstractContextManager[None], seconds: float) -> None:
    """Have the fault for so long. Docker's commands block, so they run in a thread."""
    await asyncio.to_thread(fault.__enter__)
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.to_thread(fault.__exit__, None, None, None)


async def back(rig: Rig) -> None:
    """Return when pushes reach Postgres again."""
    async with asyncio.timeout(30):
        while "via" in await rig.push(action="probe"):
            await asyncio.sleep(0.2)


async def emptied(rig: Rig) -> None:
    """Return when nothing is left to replay."""
    async with asyncio.timeout(60):
        while rig.spooled():
            await asyncio.sleep(0.2)


def require_once(rig: Rig, seen: Load) -> None:
    counted = Counter(trace for trace in rig.rows() if trace in seen.kept)
    assert counted == dict.fromkeys(seen.kept, 1)
    assert not set(rig.rows()) & set(seen.refused)


@pytest.mark.parametrize("fault", ["paused", pytest.param("stopped", marks=soak), pytest.param("killed", marks=soak)])
def test_the_executor_takes_over_while_postgres_is_away(ground: Ground, fault: str) -> None:
    async def test(rig: Rig) -> None:
        fallbacks = pushes_by_fallback()
        async with load(rig) as seen:
            await asyncio.sleep(0.5)
            await during(FAULTS[fault](ground.database.server), 4)
            await asyncio.sleep(1)
        await back(rig)
        rig.executor.bring_in(ground.database)

        assert seen.refused == []
        assert seen.ways.keys() == {None, "executor"}
        assert rig.spooled() == []
        require_once(rig, seen)
        by_executor = [answer for answer in seen.kept.values() if answer.get("via")]
        assert all(answer["_mock"] and answer["id"] in rig.executor.kept for answer in by_executor)
        assert pushes_by_fallback() >= fallbacks + len(by_executor)

    ground.run(test)


@pytest.mark.alone
def test_connections_that_are_cut_midway_cost_no_fallback(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        async with load(rig, each_second=100) as seen:
            with ground.database.server.connect(MASTER, "postgres") as master:
                for _ in range(5):
                    await asyncio.sleep(1)
                    master.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (WRITER,)
                    )

        assert seen.ways.keys() == {None}
        require_once(rig, seen)

    ground.run(test)


@pytest.mark.parametrize(
    ("fault", "executor"),
    [
        ("stopped", "away"),
        ("killed", "refuses"),
        ("paused", "hangs"),
        *(
            pytest.param(fault, executor, marks=soak)
            for fault, executor in product(FAULTS, ("away", "hangs", "refuses"))
            if (fault, executor) not in (("stopped", "away"), ("killed", "refuses"), ("paused", "hangs"))
        ),
    ],
)
def test_the_spool_takes_over_while_both_are_away_and_is_replayed(ground: Ground, fault: str, executor: str) -> None:
    async def test(rig: Rig) -> None:
        async with load(rig, each_second=20) as seen:
            await asyncio.sleep(0.5)
            rig.executor.state = executor
            await during(FAULTS[fault](ground.database.server), 4)
            await asyncio.sleep(1)
        await emptied(rig)

        # A busy machine's emulator may be too slow for some, which are then refused.
        assert seen.ways.keys() == {None, "spool"}
        require_once(rig, seen)
        await asyncio.sleep(0)
        assert rig.executor.kept == {}

    ground.run(test, replaying=True)


def test_an_entry_of_the_spool_says_when_it_was_accepted(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        rig.executor.state = "away"
        with stopped(ground.database.server):
            fallbacks = pushes_by_fallback()
            answer = await rig.push(key="k", traceId="trace-0001", details="text", timestamp=5)
            assert pushes_by_fallback() == fallbacks + 1, "though two places were away"
            assert answer == {"status": 200, "ok": True, "id": "k", "_mock": True, "via": "spool"}
            assert await rig.newest() == {"_mock": True, "items": []}
        await back(rig)
        await rig.replay()

        [item] = (await rig.newest(traceId="trace-0001"))["items"]
        assert set(item["details"]) == {"text", "clientTimestamp", "acceptedAt"}
        assert item["details"]["acceptedAt"] < item["ts"]
        again = await rig.push(key="k", traceId="trace-0001", details="text", timestamp=5)
        assert again == {"status": 200, "ok": True, "id": item["id"]}

    ground.run(test)


@contextmanager
def everything_hangs(rig: Rig, gate: Gate) -> Iterator[None]:
    rig.executor.state, gate.state = "hangs", "hangs"
    with paused(rig.database.server):
        yield
    rig.executor.state, gate.state = "up", "open"


@contextmanager
def everything_is_away(rig: Rig, gate: Gate) -> Iterator[None]:
    rig.executor.state = "away"
    gate.shut()
    with stopped(rig.database.server):
        yield
    rig.executor.state, gate.state = "up", "open"


@pytest.mark.parametrize("fault", [everything_hangs, everything_is_away])
def test_with_everything_away_an_entry_is_a_503_in_bounded_time_and_nothing_is_stored(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Rig, Gate], AbstractContextManager[None]]
) -> None:
    async def push(rig: Rig, number: int) -> dict[str, Any]:
        await asyncio.sleep(number / 10)
        async with asyncio.timeout(BOUND):
            return await rig.push(traceId=f"no-{number}")

    async def inside() -> None:
        async with Gate(ground.emulator.url).serving() as gate:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", gate.url)
            async with ground.process() as rig:
                await rig.push(traceId="before")
                await asyncio.sleep(2 * FRESH_SECONDS)
                refused = metric("web_next_audit_refused_total")
                broken = fault(rig, gate)
                await asyncio.to_thread(broken.__enter__)
                try:
                    for _ in range(2):
                        answers = await asyncio.gather(*(push(rig, number) for number in range(20)))
                        assert {answer["status"] for answer in answers} == {503}
                        assert {answer["ok"] for answer in answers} == {False}
                        assert all(answer["_err"] for answer in answers)
                finally:
                    await asyncio.to_thread(broken.__exit__, None, None, None)
                assert metric("web_next_audit_refused_total") == refused + 40

                await back(rig)
                await asyncio.sleep(5)  # for what was put after all to show itself
                assert rig.spooled() == []
                assert set(rig.rows()) - set(rig.executor.kept) >= {"before"}
                assert not [trace for trace in rig.rows() if str(trace).startswith("no-")]

    asyncio.run(inside())


def test_without_a_bucket_there_is_no_spool(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        rig.executor.state = "away"
        with stopped(ground.database.server):
            answer = await rig.push()
        assert (answer["status"], answer["_err"]) == (503, "spool: there is none: S3_BUCKET is not set")

    ground.run(test, spool=False)


def test_an_insert_whose_answer_is_lost_is_no_second_entry(ground: Ground) -> None:
    """The time-out's outcome is unknown: the row is written, and executor or spool have the entry as well."""

    async def inside(executor: str) -> None:
        address = ground.database.server.url("audit_writer", ground.database.name)
        async with Gate(address).serving() as gate, ground.process(gate.url) as rig:
            rig.executor.state = executor
            await rig.push(traceId="before")
            await asyncio.sleep(2 * FRESH_SECONDS)
            gate.swallow_after = 2  # the test of the connection, then the insert
            lost = await rig.push(traceId="lost-0001")
            gate.swallow_after = None
            gate.cut()
            assert lost["via"] == ("executor" if executor == "up" else "spool")
            assert rig.rows()[-1] == "lost-0001", "it was written"

            await back(rig)
            await rig.replay()
            rig.executor.bring_in(ground.database)
            assert rig.rows().count("lost-0001") == 1
            assert rig.spooled(prefix="") == []
            rig.executor.kept.clear()

    asyncio.run(inside("up"))
    with ground.database.connect() as owner:
        owner.execute("ALTER TABLE audit_log DISABLE TRIGGER USER; DELETE FROM audit_log")
    asyncio.run(inside("away"))


def test_a_statement_that_waits_for_a_lock_ends_and_is_not_written_later(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        with ground.database.connect() as owner:
            owner.execute("BEGIN; LOCK TABLE audit_idempotency")
            async with asyncio.timeout(SECONDS + 1):
                answer = await rig.push(key="k", traceId="trace-0001")
            owner.execute("ROLLBACK")
        assert answer["via"] == "executor"
        await back(rig)
        assert "trace-0001" not in rig.rows()

    ground.run(test)


def test_while_the_breaker_is_open_nobody_waits_for_postgres(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        with paused(ground.database.server):
            while not rig.audit._postgres.dependency.is_open:
                await asyncio.gather(*(rig.push() for _ in range(10)))
            asked = rig.audit._postgres.failures
            for _ in range(20):
                with pytest.raises(AwayError, match="not tried"):
                    await rig.audit._writer.append(None)  # type: ignore[arg-type]
            assert rig.audit._postgres.failures == asked

    ground.run(test)


def test_reads_go_to_the_executor_while_postgres_is_away(ground: Ground) -> None:
    item = {"id": "key-1", "ts": "2026-01-01T00:00:00Z", "action": "deploy", "result": "ok", "traceId": "t"}

    async def test(rig: Rig) -> None:
        rig.executor.items = [item]
        with stopped(ground.database.server):
            listed = await rig.newest(limit=5, traceId="t")
            assert listed["_mock"] is True
            assert [each["id"] for each in listed["items"]] == ["key-1"]

            for nonsense in ([{"id": 1}], "x", None):
                rig.executor.items = nonsense
                assert await rig.newest() == {"_mock": True, "items": []}
            rig.executor.state = "away"
            assert await rig.newest() == {"_mock": True, "items": []}
            health = (await rig.http.get("/api/healthz")).json()
            assert (health["ok"], health["checks"]["audit"]["ok"]) == (True, False)
        await back(rig)
        async with asyncio.timeout(2 * PAUSE_SECONDS):  # lists have a breaker of their own
            while (await rig.newest())["_mock"]:
                await asyncio.sleep(0.1)

    ground.run(test)


def test_what_was_begun_is_written_before_the_process_ends(ground: Ground) -> None:
    async def inside() -> list[Any]:
        async with ground.process() as rig:
            pushes = [asyncio.create_task(rig.audit.append(entry(), f"trace-{n}")) for n in range(150)]
            await asyncio.sleep(0)
            await rig.audit.close()
            answers = await asyncio.gather(*pushes)
            assert [answer.mock for answer in answers] == [None] * 150
            return rig.rows()

    assert len(asyncio.run(inside())) == 150


def test_a_client_that_goes_away_leaves_a_whole_entry_or_none(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(rig.app, port=port, log_config=None, lifespan="off"))
        task = asyncio.create_task(server.serve())
        async with asyncio.timeout(10), httpx.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    await http.get(f"http://127.0.0.1:{port}/healthz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

        async def go_away(trace: str, share: float) -> None:
            body = httpx.Request("POST", "http://x", json={**ENTRY, "traceId": trace}).content
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            head = f"POST /api/audit/push HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            writer.write(head + body[: int(len(body) * share)])
            await writer.drain()
            writer.close()

        with ExitStack() as undo:
            locked = undo.enter_context(ground.database.connect())
            locked.execute("BEGIN; LOCK TABLE audit_log IN EXCLUSIVE MODE")
            await asyncio.gather(*(go_away(f"whole-{n}", 1) for n in range(10)))
            await asyncio.gather(*(go_away(f"half-{n}", 0.5) for n in range(10)))
            await asyncio.sleep(0.5)
            locked.execute("ROLLBACK")
        async with asyncio.timeout(10):
            while len(rig.rows()) < 10:
                await asyncio.sleep(0.1)
        server.should_exit = True
        await task
        assert sorted(rig.rows()) == [f"whole-{n}" for n in range(10)]

    ground.run(test)
