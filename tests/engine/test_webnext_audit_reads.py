"""What is read of the audit log in a real Postgres: exports, lists of large entries, slow ones while others push."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from tests.support.audit import Ground, Rig, load, paused
from tests.support.postgres import MASTER
from webnext import budget, postgres
from webnext.audit import log
from webnext.dependency import AwayError

pytestmark = pytest.mark.engine

READERS = 25
SECONDS = 4
SLOW = f"{log._ITEM}, pg_sleep(1.2) ORDER BY ts DESC LIMIT %s"
"""Just within the time that a statement has: a little more load, and it is ended."""
TOO_SLOW = f"{log._ITEM}, pg_sleep(9) ORDER BY ts DESC LIMIT %s"


@pytest.mark.parametrize("query", [SLOW, TOO_SLOW])
def test_while_many_read_slowly_no_push_falls_back(ground: Ground, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(rig: Rig) -> None:
        await rig.push()
        monkeypatch.setattr(log, "_NEWEST", query)

        async def read(until: float) -> int:
            lists = 0
            while asyncio.get_running_loop().time() < until:
                await rig.newest()
                lists += 1
            return lists

        until = asyncio.get_running_loop().time() + SECONDS
        async with load(rig) as seen:
            lists = await asyncio.gather(*(read(until) for _ in range(READERS)))

        assert all(lists), "each has had an answer"
        assert seen.refused == []
        assert set(seen.ways) == {None}, "each push went to Postgres"

    ground.run(test)


def test_an_export_has_every_entry_of_its_hours_the_oldest_first(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Three entries of each instant: some instants lie across the end of a page.
    with ground.database.connect() as owner:
        owner.execute(
            "INSERT INTO audit_log (ts, action, result) SELECT now() - n / 3 * interval '1 second', n::text, 'ok' "
            "FROM generate_series(0, 2 * %s + 9) n",
            (log.PAGE,),
        )
        owner.execute("INSERT INTO audit_log (ts, action, result) VALUES (now() - interval '2 hours', 'old', 'ok')")

    async def test(rig: Rig) -> None:
        found = [item async for item in rig.audit.since(1)]

        assert sorted(int(item.action) for item in found) == list(range(2 * log.PAGE + 10))
        assert all((a.ts, a.id) < (b.ts, b.id) for a, b in pairwise(found))
        assert len([item async for item in rig.audit.since(3)]) == len(found) + 1

    ground.run(test)


def test_a_reader_who_is_slow_holds_no_connection_and_no_transaction(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        await asyncio.gather(*(rig.push() for _ in range(10)))
        reading = [rig.audit.since(1) for _ in range(postgres.CONNECTIONS + 2)]
        for each in reading:
            await anext(each)

        with ground.database.server.connect(MASTER, "postgres") as master:
            busy = master.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'web-next' AND state <> 'idle'"
            ).fetchall()
        assert busy == [(0,)]
        assert "via" not in await rig.push()
        for each in reading:
            await each.aclose()  # type: ignore[attr-defined]

    ground.run(test)


def test_an_export_whose_database_goes_away_midway_says_so(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "PAGE_SECONDS", 1.0)
    with ground.database.connect() as owner:
        owner.execute(
            "INSERT INTO audit_log (action, result) SELECT 'a', 'ok' FROM generate_series(1, %s)", (log.PAGE + 1,)
        )

    async def test(rig: Rig) -> None:
        reading = rig.audit.since(1)
        for _ in range(log.PAGE):
            await anext(reading)
        with paused(ground.database.server), pytest.raises(AwayError):
            await anext(reading)

    ground.run(test)


def test_an_export_goes_on_after_a_page_that_took_too_long(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    with ground.database.connect() as owner:
        owner.execute(
            "INSERT INTO audit_log (action, result) SELECT n::text, 'ok' FROM generate_series(1, %s) n", (2 * log.PAGE,)
        )

    async def test(rig: Rig) -> None:
        reading = rig.audit.since(1)
        found = [(await anext(reading)).action for _ in range(log.PAGE)]
        with monkeypatch.context() as slow:
            slow.setattr(log, "_PAGE", f"SELECT 1 FROM pg_sleep(9), ({log._PAGE}) AS page")
            waiting = asyncio.ensure_future(anext(reading))
            await asyncio.sleep(postgres.STATEMENT_MILLISECONDS / 1000 + 0.3)
        found += [(await waiting).action, *[item.action async for item in reading]]
        assert found == [str(number) for number in range(1, 2 * log.PAGE + 1)]

    ground.run(test)


LARGE = 231_000
"""What an entry could have in details before they had a limit."""


def fill(ground: Ground, count: int) -> None:
    with ground.database.connect() as owner:
        owner.execute(
            "INSERT INTO audit_log (action, result, trace_id, details) "
            "SELECT n::text, 'ok', 'large', jsonb_build_object('in', rtrim(repeat('[],', %s), ',') || n) "
            "FROM generate_series(1, %s) n",
            (LARGE // 3, count),
        )


@pytest.mark.parametrize("wanted", [{}, {"traceId": "large"}])
def test_a_list_ends_where_its_budget_does_and_its_connection_goes_on(
    ground: Ground, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "BYTES", 2**20)
    fill(ground, 20)

    async def test(rig: Rig) -> None:
        for _ in range(3):
            items = (await rig.newest(limit=500, **wanted))["items"]
            assert [item["action"] for item in items] == ["20", "19", "18", "17"]
        assert "via" not in await rig.push()
        with ground.database.server.connect(MASTER, "postgres") as master:
            [(made,)] = master.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'web-next'"
            ).fetchall()
        assert made == 1

    ground.run(test)


@pytest.mark.parametrize("wanted", [{}, {"traceId": "large"}])
def test_a_list_says_that_there_is_more_and_where_it_goes_on(ground: Ground, wanted: dict[str, Any]) -> None:
    fill(ground, 3)
    with ground.database.connect() as owner:  # of one instant
        owner.execute(
            "INSERT INTO audit_log (action, result, trace_id) "
            "SELECT n::text, 'ok', 'large' FROM generate_series(4, 9) n"
        )

    async def test(rig: Rig) -> None:
        seen, listed = [], await rig.newest(limit=4, **wanted)
        while True:
            seen.append([item["action"] for item in listed["items"]])
            if "next" not in listed:
                break
            await rig.push(action="newer", traceId="large")
            listed = await rig.newest(limit=4, after=listed["next"], **wanted)
        assert seen == [["9", "8", "7", "6"], ["5", "4", "3"], ["2"], ["1"]]
        assert "next" not in await rig.newest(limit=500, after="0.5", **wanted)
        with paused(ground.database.server):
            away = await rig.newest(after="0.5", **wanted)
        assert away == {"_mock": True, "items": []}

    ground.run(test)


@pytest.mark.parametrize("after", ["", "5", "5.", "x.1", "1.2.3", "-1.5", "1" * 17 + ".1", "1." + "1" * 19, 5])
def test_a_place_that_is_none_is_refused(ground: Ground, after: Any) -> None:
    async def test(rig: Rig) -> None:
        assert (await rig.http.post("/api/audit/list", json={"after": after})).status_code == 422

    ground.run(test)


def test_a_list_has_the_newest_entry_however_large_it_is(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "BYTES", LARGE // 2)
    fill(ground, 2)

    async def test(rig: Rig) -> None:
        assert [item["action"] for item in (await rig.newest())["items"]] == ["2"]

    ground.run(test)


def test_an_export_of_large_entries_holds_a_few_of_them_at_a_time_and_has_all(ground: Ground) -> None:
    fill(ground, 20)

    async def test(rig: Rig) -> None:
        pages = []
        read = rig.audit._log._items

        async def spy(query: str, values: Any, most: int) -> Any:
            pages.append(await read(query, values, most))
            return pages[-1]

        rig.audit._log._items = spy  # type: ignore[method-assign]
        found = [item async for item in rig.audit.since(1)]

        assert [item.action for item in found] == [str(number) for number in range(1, 21)]
        assert [len(page) for page, _ in pages] == [1] * 20 + [0]

    ground.run(test)
