"""A primary that is one no more, whose connections go on: what is accepted reaches the new one within 15 s, nothing is
lost or doubled, and the checks say away meanwhile."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.exceptions import RedisError

from tests.support.alert_load import closed, settled, under_load
from tests.support.alerts import Redis, Stack
from tests.support.audit import Ground, Rig, load
from tests.support.containers import docker, free_port, wait_until
from tests.support.postgres import WRITER, only_reading
from tests.support.switch import Switch, switch
from webnext import vault
from webnext.alerts import redis
from webnext.dependency import AwayError

pytestmark = pytest.mark.engine

A_SECOND = 40
SOON = 15.0


@dataclass
class Queues:
    """A Redis, the way to it, and another one that takes over, empty."""

    stack: Stack
    way: Switch
    other: Redis

    def demote(self) -> None:
        """The one becomes a replica, and cuts nobody off; no new connection comes anywhere."""
        self.way.to = None
        self.stack.redis("REPLICAOF", "127.0.0.1", "1")

    def promote(self) -> None:
        """New connections come to the other."""
        self.way.to = self.other.port

    @property
    def after(self) -> Stack:
        return replace(self.stack, redis=self.other)


@pytest.fixture
def queues(stack: Stack) -> Iterator[Queues]:
    other = copy.copy(stack.redis)
    other.port = free_port()
    other.create()
    try:
        with switch(stack.redis.port) as way:
            stack.secrets.values["REDIS_URL"] = stack.redis.url.replace(f":{stack.redis.port}/", f":{way.port}/")
            yield Queues(stack, way, other)
    finally:
        stack.redis("REPLICAOF", "NO", "ONE")
        docker("rm", "--force", "--volumes", other.name)


@pytest.mark.parametrize("seconds", [0.0, 4.0])
def test_alerts_are_delivered_once_after_a_failover_of_redis(queues: Queues, tmp_path: Path, seconds: float) -> None:
    stack = queues.stack
    with stack.worker(tmp_path) as worker:
        load = under_load(stack, (1, queues.demote), (seconds, queues.promote))
        settled(queues.after, load, SOON)
        wait_until(lambda: closed(stack), "the rows", SOON)
        assert ("redis is away" in worker.log.read_text()) is bool(seconds)
    assert (load.taken, load.mocks) == (True, 0)
    assert set(stack.sink.accepted.values()) == {1}


async def until(holds: Callable[[Any], bool], client: httpx.AsyncClient, path: str) -> Any:
    """What a path answers once it is so, SOON at the latest."""
    async with asyncio.timeout(SOON):
        while not holds(answer := (await client.get(path)).json()):
            await asyncio.sleep(0.2)
    return answer


def test_a_redis_that_only_reads_is_away_and_what_it_did_not_take_is_counted(queues: Queues) -> None:
    async def run() -> None:
        async with queues.stack.app() as client:
            assert (await client.get("/api/healthz")).json()["checks"]["queue"] == {"ok": True, "adapter": "production"}
            await asyncio.to_thread(queues.demote)
            for number in range(7):
                answer = await client.post("/api/alerts/webhook", json={"text": f"alert {number}"})
                assert (answer.status_code, answer.json()["_mock"]) == (202, False)
            counts = (await client.get("/api/alerts/queue")).json()
            assert (counts["pending"], counts["_mock"]) == (7, True)
            check = (await client.get("/api/healthz")).json()["checks"]["queue"]
            assert (check["ok"], check["away"]) == (False, "redis")
            assert timedelta(0) < datetime.now(UTC) - datetime.fromisoformat(check["since"]) < timedelta(seconds=20)
            queues.promote()
            await until(lambda answer: answer["checks"]["queue"]["ok"], client, "/api/healthz")
            counts = await until(lambda answer: not answer["_mock"], client, "/api/alerts/queue")
            assert (counts["pending"], counts["waiting"]) == (7, 7), "no worker has queued them again"
            assert counts["oldestSec"] > 0

    asyncio.run(run())
    assert queues.other("KEYS", "*") == [], "the checks leave nothing"


def test_connections_to_redis_follow_the_vaults_address(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vault.TTL + vault.CONFIRM_SECONDS < 60
    monkeypatch.setattr(vault, "TTL", 1.0)
    monkeypatch.setattr(redis, "CONFIRM_SECONDS", 1.0)

    async def run() -> None:
        async with queues.stack.app() as client:
            await client.post("/api/alerts/webhook", json={"text": "before"})
            queues.stack.secrets.values["REDIS_URL"] = queues.other.url
            begun = time.monotonic()
            while not await asyncio.to_thread(queues.other, "KEYS", "bull:alerts:deliver:*"):
                assert time.monotonic() < begun + 6
                await client.post("/api/alerts/webhook", json={"text": "after"})
                await asyncio.sleep(0.2)

    asyncio.run(run())


def with_client(queues: Queues, test: Callable[[Any], Awaitable[None]]) -> None:
    async def run() -> None:
        client = redis.client(queues.stack.secrets.vault, queues.stack.settings.redis_ca_file)
        try:
            await test(client)
        finally:
            await client.connection_pool.aclose()

    asyncio.run(run())


def test_a_connection_to_redis_has_a_bounded_life(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(client: Any) -> None:
        first = await client.client_id()
        assert await client.client_id() == first
        monkeypatch.setattr(redis, "LIFE_SECONDS", 0.0)
        assert await client.client_id() != first

    with_client(queues, test)


def test_what_a_replica_refuses_is_sent_again_to_the_primary(queues: Queues, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis, "PROVEN_SECONDS", 60.0)

    async def test(client: Any) -> None:
        await client.set("word", "before")
        queues.demote()
        queues.promote()
        async with client.pipeline(transaction=True) as pipe:
            pipe.eval("return redis.call('SET', KEYS[1], 'after')", 1, "word")
            assert await pipe.execute() == ["OK"]

    with_client(queues, test)
    assert queues.other("GET", "word") == "after"


def test_what_a_replica_still_knows_is_nobodys_answer(queues: Queues) -> None:
    async def test(client: Any) -> None:
        await client.set("word", "before")
        queues.demote()
        queues.promote()
        await asyncio.sleep(redis.PROVEN_SECONDS + 0.1)
        assert await client.get("word") is None

    with_client(queues, test)


def test_a_connection_that_is_given_up_is_cut_whether_or_not_the_server_takes_leave(queues: Queues) -> None:
    async def test(client: Any) -> None:
        await client.ping()
        (connection,) = client.connection_pool._available_connections
        socket = connection._writer.transport.get_extra_info("socket")
        docker("pause", queues.stack.redis.name)
        try:
            with pytest.raises(RedisError):
                await client.get("word")
            await asyncio.sleep(0)
            assert socket.fileno() == -1
        finally:
            docker("unpause", queues.stack.redis.name)

    with_client(queues, test)


async def check(rig: Rig) -> dict[str, Any]:
    answer: dict[str, Any] = (await rig.http.get("/api/healthz")).json()["checks"]["audit"]
    return answer


@pytest.mark.parametrize("seconds", [0.0, 4.0])
def test_entries_are_written_once_after_a_failover_of_postgres(ground: Ground, seconds: float) -> None:
    async def test(rig: Rig) -> None:
        async with load(rig, A_SECOND) as seen:
            await asyncio.sleep(1)
            fence = only_reading(ground.database.server, ground.database.name)
            let_write = await asyncio.to_thread(fence.__enter__)
            try:
                if seconds:
                    await asyncio.sleep(seconds)
                    found = await check(rig)
                    assert found["ok"] is False
                    assert found["since"]
                let_write()
                async with asyncio.timeout(SOON):
                    while not (await check(rig))["ok"]:
                        await asyncio.sleep(0.2)
                assert "via" not in await rig.push(traceId="after")
                await asyncio.sleep(1)
            finally:
                await asyncio.to_thread(fence.__exit__, None, None, None)
        rig.executor.bring_in(ground.database)
        assert seen.refused == []
        by_executor = seen.ways["executor"]
        assert by_executor > A_SECOND if seconds else by_executor < A_SECOND, "what a busy machine gives up, no more"
        assert sorted(rig.rows()) == sorted([*seen.kept, "after"])

    ground.run(test)


def test_a_new_session_that_may_only_read_is_refused_at_once_with_the_reason(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        with pytest.raises(AwayError, match="read-only"):
            await rig.audit._log.prove()

    with only_reading(ground.database.server, ground.database.name):
        ground.run(test)


def kept(stack: Stack) -> int:
    [(count,)] = stack.postgres.rows("SELECT count(*) FROM alert_outbox")
    return int(count)


def test_alerts_are_kept_and_delivered_once_after_a_failover_of_postgres(stack: Stack, tmp_path: Path) -> None:
    fence, let_write, rows = only_reading(stack.postgres, "audit"), [], []

    def demote() -> None:
        let_write.append(fence.__enter__())

    def promote() -> None:
        rows.append(kept(stack))
        let_write[0]()

    try:
        with stack.worker(tmp_path):
            load = under_load(stack, (1, demote), (4, promote), (3, lambda: None))
            settled(stack, load, SOON)
            wait_until(lambda: closed(stack), "the rows", SOON)
    finally:
        fence.__exit__(None, None, None)
    assert kept(stack) > rows[0] > 0, "the outbox was back"
    assert load.taken
    assert load.mocks > 0, "Redis stood in"
    assert set(stack.sink.accepted.values()) == {1}


def test_an_audit_log_that_takes_no_entry_is_not_ok_and_a_check_leaves_nothing(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        assert (await check(rig))["ok"] is True
        with ground.database.connect() as owner:
            month = owner.execute("SELECT 'audit_log_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')").fetchone()
            assert month
            owner.execute(f"ALTER TABLE audit_log DETACH PARTITION {month[0]}".encode())
            assert (await check(rig))["ok"] is False, "this month has no partition"
            owner.execute("SELECT ensure_audit_partitions(1, now())")
            assert (await check(rig))["ok"] is True
            left = owner.execute(
                "SELECT (SELECT count(*) FROM audit_log), (SELECT count(*) FROM audit_idempotency), "
                "(SELECT is_called FROM audit_log_id_seq)"
            ).fetchone()
            assert left == (0, 0, False)
            owner.execute("REVOKE INSERT ON audit_log FROM audit_writer")
            assert (await check(rig))["ok"] is False, "the role may not write"

    ground.run(test)


def test_a_check_is_not_ok_while_pushes_are_left_to_the_executor(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        with ground.database.connect() as owner:
            owner.execute("BEGIN; LOCK TABLE audit_idempotency")
            assert (await rig.push())["via"] == "executor"
            owner.execute("ROLLBACK")
        assert (await check(rig))["ok"] is False, "its last use was by the executor"
        assert "via" not in await rig.push()
        assert (await check(rig))["ok"] is True

    ground.run(test)


def test_a_server_that_ends_a_session_costs_no_push(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        await rig.push()
        with ground.database.server.connect("master", "postgres") as master:
            master.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (WRITER,))
        assert "via" not in await rig.push()

    ground.run(test)
