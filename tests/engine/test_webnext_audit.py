"""The audit log in a real Postgres: each entry once, many together, read as it was written."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from tests.support.audit import ENTRY, Ground, Rig, entry, paused
from tests.support.postgres import MASTER
from webnext import context
from webnext.audit.row import UnstorableError, row_of
from webnext.audit.writer import Written
from webnext.contract.audit import AuditEntryV1
from webnext.dependency import AwayError

pytestmark = pytest.mark.engine


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0


def test_the_log_is_empty_before_the_first_push(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        assert await rig.newest() == {"_mock": False, "items": []}

    ground.run(test)


def test_what_is_pushed_is_listed_newest_first(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        first = await rig.push(action="first", strategyId="s-1", traceId="trace-0001", details={"a": [1, None, 2.5]})
        second = await rig.push(action="second", result="err", details="text", timestamp=17)
        listed = await rig.newest()

        assert first == {"status": 200, "ok": True, "id": first["id"]}
        assert second["id"] > first["id"]
        assert listed["_mock"] is False
        newest, oldest = listed["items"]
        assert (newest["action"], newest["result"]) == ("second", "err")
        assert newest["details"] == {"text": "text", "clientTimestamp": 17}
        assert (oldest["strategyId"], oldest["traceId"]) == ("s-1", "trace-0001")
        assert oldest["details"] == {"a": [1, None, 2.5]}
        assert oldest["ts"].endswith("Z")
        assert [item["id"] for item in (await rig.newest(limit=1))["items"]] == [second["id"]]

    ground.run(test)


def test_the_list_can_be_of_one_trace(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        for trace in ("trace-0001", "trace-0002", "trace-0001"):
            await rig.push(traceId=trace)

        listed = await rig.newest(traceId="trace-0001")

        assert [item["traceId"] for item in listed["items"]] == ["trace-0001"] * 2

    ground.run(test)


def test_an_entry_without_a_trace_id_gets_the_requests(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        await rig.http.post("/api/audit/push", json=ENTRY, headers={"x-trace-id": "page-1234"})

        assert rig.rows() == ["page-1234"]

    ground.run(test)


def test_sql_in_an_entry_is_only_text(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        evil = "x'); DROP TABLE audit_log; --"
        await rig.push(action=evil, traceId=evil, strategyId=evil, details={evil: evil}, key="x');DROP/*")

        [item] = (await rig.newest(traceId=evil))["items"]
        assert (item["action"], item["strategyId"], item["details"]) == (evil, evil, {evil: evil})

    ground.run(test)


def test_a_key_pushed_fifty_times_at_once_by_two_processes_makes_one_row(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        async with ground.process() as other:
            pushes = [process.push(key="order-17", details={"n": 1}) for process in (rig, other) for _ in range(25)]
            answers = await asyncio.gather(*pushes)

        assert {answer["status"] for answer in answers} == {200}
        assert len({answer["id"] for answer in answers}) == 1
        assert rig.rows("id") == [answers[0]["id"]]

    ground.run(test)


def test_two_processes_that_write_the_same_keys_in_opposite_orders_never_block_each_other(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        async with ground.process() as other:
            writers = rig.audit._writer, other.audit._writer
            for turn in range(20):
                rows = [row_of(entry(), f"{turn}-{number}", f"{turn}-{number}") for number in range(100)]
                first, second = await asyncio.gather(writers[0]._insert(rows), writers[1]._insert(rows[::-1]))
                ids = [[each.id for each in found if isinstance(each, Written)] for found in (first, second[::-1])]
                assert ids[0] == ids[1]
                assert len(set(ids[0])) == 100

        assert len(rig.rows()) == 2000

    ground.run(test)


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"details": {"a": 1, "b": [1e2, None]}}, {"details": {"b": [100, None], "a": 1.0}}),
    ({"details": "text", "timestamp": 5}, {"details": "text", "timestamp": 5}),
    ({"traceId": "own", "strategyId": "s"}, {"traceId": "own", "strategyId": "s"}),
]
OTHER: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"action": "undo"}),
    ({}, {"result": "err"}),
    ({}, {"strategyId": "s"}),
    ({}, {"traceId": "own"}),
    ({"traceId": "own"}, {"traceId": "another"}),
    ({"details": {"a": 1}}, {"details": {"a": True}}),
    ({"details": {"a": 1}}, {"details": {"a": "1"}}),
    ({"details": "text"}, {"details": {"text": "text"}}),
    ({"details": "text"}, {}),
]


@pytest.mark.parametrize(("first", "again"), SAME)
def test_the_same_entry_under_its_key_is_answered_with_the_id_it_has(
    ground: Ground, first: dict[str, Any], again: dict[str, Any]
) -> None:
    async def test(rig: Rig) -> None:
        made, repeated = await rig.push(key="k", **first), await rig.push(key="k", **again)

        assert made == repeated
        assert rig.rows("id") == [made["id"]]

    ground.run(test)


@pytest.mark.parametrize(("first", "again"), OTHER)
def test_another_entry_under_a_key_is_refused_and_not_written(
    ground: Ground, first: dict[str, Any], again: dict[str, Any]
) -> None:
    async def test(rig: Rig) -> None:
        made, refused = await rig.push(key="k", **first), await rig.push(key="k", **again)

        assert refused["status"] == 409
        assert rig.rows("id") == [made["id"]]

    ground.run(test)


def test_two_entries_that_arrive_together_under_one_key_are_one_row_and_one_refusal(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        answers = await asyncio.gather(*(rig.push(key="k", action=f"action-{number % 2}") for number in range(20)))

        assert sorted(answer["status"] for answer in answers) == [200] * 10 + [409] * 10
        assert len(rig.rows()) == 1

    ground.run(test)


def test_entries_that_arrive_together_share_statements_and_keep_their_order_in_each(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        rows = [row_of(entry(), f"trace-{number:03}", f"key-{number * 7919 % 200}") for number in range(200)]
        await asyncio.gather(*(rig.audit._writer.append(row) for row in rows))

        statements: dict[str, list[str]] = {}
        for statement, trace in rig.rows("xmin::text, trace_id"):
            statements.setdefault(statement, []).append(trace)
        assert len(statements) <= 20
        assert all(traces == sorted(traces) for traces in statements.values())

    ground.run(test)


BAD = [
    AuditEntryV1.model_construct(action="a\x00b", result="ok", details=None),
    AuditEntryV1.model_construct(action="a", result="ok", details={"in": ["\x00"]}),
    AuditEntryV1.model_construct(action="a", result="ok", details={"in": "\ud800"}),
    AuditEntryV1.model_construct(action="a", result="ok", details={"in": float("nan")}),
]


@pytest.mark.alone
@pytest.mark.parametrize("bad", BAD, ids=["text", "NUL", "half a pair", "NaN"])
def test_an_entry_that_postgres_cannot_hold_fails_alone(ground: Ground, bad: AuditEntryV1) -> None:
    async def test(rig: Rig) -> None:
        async def append(number: int) -> Any:
            return await rig.audit.append(bad if number == 37 else entry(), f"trace-{number:03}")

        answers = await asyncio.gather(*(append(number) for number in range(100)), return_exceptions=True)

        assert isinstance(answers[37], UnstorableError)
        assert [getattr(answer, "mock", "") for answer in answers if answer is not answers[37]] == [None] * 99
        assert len(rig.rows()) == 99
        assert not rig.audit._postgres.dependency.is_open

    ground.run(test)


def test_a_month_without_a_partition_is_a_fallback_and_no_refusal(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        with ground.database.connect() as owner:
            [(part,)] = owner.execute("SELECT 'audit_log_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')").fetchall()
            owner.execute(f"ALTER TABLE audit_log DETACH PARTITION {part}".encode())
        answers = await asyncio.gather(*(rig.push(key=f"key-{number}", traceId=f"t-{number}") for number in range(5)))
        assert [answer["via"] for answer in answers] == ["executor"] * 5

        with ground.database.connect() as owner:
            owner.execute("SELECT ensure_audit_partitions(1, now())")
        assert "via" not in await rig.push(key="key-6", traceId="t-6")
        rig.executor.bring_in(ground.database)
        assert sorted(rig.rows()) == ["t-0", "t-1", "t-2", "t-3", "t-4", "t-6"]

    ground.run(test)


def test_a_table_that_is_not_there_yet_is_a_fallback(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        assert (await rig.push())["via"] == "executor"

    ground.run(test, url=ground.database.server.url("audit_writer", "postgres"))


def test_inserts_are_counted_by_traffic_and_only_once_for_a_key(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        def inserts(traffic: str) -> float:
            return metric("web_next_audit_inserts_total", store="postgres", traffic=traffic)

        def timed(traffic: str) -> float:
            return metric("web_next_audit_write_duration_seconds_count", traffic=traffic)

        before = [seen(traffic) for seen in (inserts, timed) for traffic in ("user", "smoke")]
        await rig.push(key="k")
        await rig.push(key="k")
        await rig.http.post("/api/audit/push", json=ENTRY, headers={"x-web-next-traffic": "smoke"})

        after = [seen(traffic) for seen in (inserts, timed) for traffic in ("user", "smoke")]
        assert after == [value + 1 for value in before]

    ground.run(test)


def test_a_ping_of_a_postgres_that_hangs_ends_within_a_second(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        await rig.audit.ping()
        with paused(ground.database.server):
            async with asyncio.timeout(1):
                with pytest.raises(AwayError):
                    await rig.audit.ping()

    ground.run(test)


def test_a_rotated_password_is_read_again_without_a_failed_push(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        await rig.push()
        assert rig.secrets.asked == 1
        with ground.database.server.connect(MASTER, "postgres") as master:
            try:
                master.execute("ALTER ROLE audit_writer PASSWORD 'rotated'")
                master.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'audit_writer'")
                scheme, _, rest = rig.secrets.url.partition("://")
                before, rig.secrets.url = rig.secrets.url, f"{scheme}://audit_writer:rotated@{rest.split('@')[1]}"

                assert "via" not in await rig.push()
                assert rig.secrets.asked >= 2
            finally:
                master.execute(f"ALTER ROLE audit_writer PASSWORD '{before.split(':')[2].split('@')[0]}'".encode())

    ground.run(test)


def test_a_password_that_the_vault_does_not_have_yet_is_a_fallback(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        assert (await rig.push())["via"] == "executor"

    scheme, _, rest = ground.database.server.url("audit_writer", ground.database.name).partition("://")
    ground.run(test, url=f"{scheme}://audit_writer:wrong@{rest.split('@')[1]}")


def test_nothing_is_connected_before_the_first_call(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        await asyncio.sleep(0.2)
        assert rig.secrets.asked == 0

    ground.run(test)


def test_the_log_line_of_a_push_has_its_trace_id_and_no_others(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(rig: Rig) -> None:
        seen: list[str | None] = []
        insert = rig.audit._writer._insert

        async def spy(rows: Any) -> Any:
            seen.append(context.trace_id.get())
            return await insert(rows)

        rig.audit._writer._insert = spy  # type: ignore[method-assign]
        await rig.push()
        assert seen == [None], "what is written for many is nobody's"

    ground.run(test)


def test_json_numbers_come_back_as_they_went(ground: Ground) -> None:
    body = b'{"action": "a", "result": "ok", "details": {"big": 123456789012345678901234567890, "small": -1.5e-300}}'

    async def test(rig: Rig) -> None:
        answer: httpx.Response = await rig.http.post("/api/audit/push", content=body)
        assert answer.status_code == 200
        [item] = (await rig.newest())["items"]
        assert item["details"] == json.loads(body)["details"]

    ground.run(test)
