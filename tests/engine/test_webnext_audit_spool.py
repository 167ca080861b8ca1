"""The spool and its replay: S3 objects that become rows, each once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.support.audit import Ground, Rig, entry, stopped
from webnext import bucket
from webnext.audit.spool import BAD, PREFIX, Spooled
from webnext.dependency import AwayError
from webnext.services import KeyReusedError

pytestmark = pytest.mark.engine


def spooled(key: str, **given: Any) -> Spooled:
    return Spooled(key=key, acceptedAt=datetime.now(UTC), traceId=f"{key}-trace", entry=entry(**given))


def waiting() -> float:
    return REGISTRY.get_sample_value("web_next_audit_spool_entries") or 0


async def fill(rig: Rig, count: int) -> list[str]:
    """Has so many entries in the spool; returns the traces they will have."""
    entries = [spooled(f"key-{number:04}") for number in range(count)]

    def put(each: Spooled) -> None:
        rig.s3.put_object(Bucket=rig.bucket, Key=each.name, Body=each.model_dump_json().encode())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(put, entries))
    return [str(each.traceId) for each in entries]


def test_the_same_entry_is_spooled_once_and_another_never_takes_its_place(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        await rig.spool.put(spooled("k", details={"a": 1, "b": 2}))
        [name] = rig.spooled()
        before = rig.s3.get_object(Bucket=rig.bucket, Key=name)["Body"].read()
        await rig.spool.put(spooled("k", details={"b": 2, "a": 1}))
        with pytest.raises(KeyReusedError):
            await rig.spool.put(spooled("k", details={"a": True, "b": 2}))

        assert rig.spooled() == [name]
        assert rig.s3.get_object(Bucket=rig.bucket, Key=name)["Body"].read() == before

    ground.run(test)


def test_nothing_takes_the_place_of_an_object_that_is_no_entry(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        wanted = spooled("k")
        rig.s3.put_object(Bucket=rig.bucket, Key=wanted.name, Body=b"nonsense")
        with pytest.raises(AwayError, match="holds no entry"):
            await rig.spool.put(wanted)
        assert rig.s3.get_object(Bucket=rig.bucket, Key=wanted.name)["Body"].read() == b"nonsense"

        await rig.replay()
        await rig.spool.put(wanted)
        await rig.replay()
        assert rig.rows() == ["k-trace"]

    ground.run(test)


def test_one_of_two_entries_that_race_for_a_key_is_refused(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        puts = [rig.spool.put(spooled("k", action=f"action-{n % 2}")) for n in range(8)]
        answers = await asyncio.gather(*puts, return_exceptions=True)

        assert sorted(type(answer).__name__ for answer in answers) == ["KeyReusedError"] * 4 + ["NoneType"] * 4
        assert len(rig.spooled()) == 1

    ground.run(test)


def test_another_entry_under_a_key_of_the_spool_is_a_409(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        rig.executor.state = "away"
        with stopped(ground.database.server):
            assert (await rig.push(key="k", details="a"))["via"] == "spool"
            assert (await rig.push(key="k", details="b"))["status"] == 409

    ground.run(test)


def test_by_whom_an_entry_is_goes_along_and_makes_it_no_other(ground: Ground) -> None:
    async def push(rig: Rig, key: str, address: str) -> dict[str, Any]:
        headers = {"idempotency-key": key, "x-real-ip": address}
        answer = await rig.http.post("/api/audit/push", json={"action": key, "result": "ok"}, headers=headers)
        return {"status": answer.status_code, **answer.json()}

    async def test(rig: Rig) -> None:
        rig.executor.state = "away"
        first = await push(rig, "direct", "198.51.100.7")
        assert await push(rig, "direct", "198.51.100.8") == first
        with stopped(ground.database.server):
            assert (await push(rig, "spooled", "198.51.100.9"))["via"] == "spool"
            assert (await push(rig, "spooled", "198.51.100.10"))["status"] == 200
        await rig.replay()
        assert rig.rows("action, actor") == [("direct", "198.51.100.7"), ("spooled", "198.51.100.9")]
        assert [item["actor"] for item in (await rig.newest())["items"]] == ["198.51.100.9", "198.51.100.7"]

    ground.run(test)


@pytest.mark.parametrize("key", ["../../x", ".", "a/b c".replace(" ", "%20"), "~" * 200, "k\"'<>&?#"])
def test_a_key_may_hold_what_an_objects_name_may_not(ground: Ground, key: str) -> None:
    async def test(rig: Rig) -> None:
        await rig.spool.put(spooled(key))
        assert all(name.startswith(PREFIX) and name.isascii() for name in rig.spooled(prefix=""))
        await rig.replay()
        assert rig.rows() == [f"{key}-trace"]
        assert rig.spooled(prefix="") == []

    ground.run(test)


def test_an_entry_that_was_accepted_before_details_had_a_limit_is_replayed(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        await rig.spool.put(spooled("k", details={"in": [[]] * 77_000}))
        await rig.replay()
        assert rig.rows("trace_id, jsonb_array_length(details -> 'in')") == [("k-trace", 77_000)]
        assert rig.spooled(prefix="") == []

    ground.run(test)


def test_more_objects_than_a_page_holds_are_all_replayed(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "PAGE", 10)

    async def test(rig: Rig) -> None:
        traces = await fill(rig, 45)
        assert [len(page) async for page in rig.spool.pages()] == [10, 10, 10, 10, 5]
        await rig.replay()

        assert sorted(rig.rows()) == traces
        assert rig.spooled() == []
        assert waiting() == 0

    ground.run(test)


def test_several_processes_replay_at_once_and_each_entry_is_there_once(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        traces = await fill(rig, 60)
        async with ground.process() as second, ground.process() as third:
            await asyncio.gather(*(each.replay() for each in (rig, second, third)))

        assert sorted(rig.rows()) == traces
        assert rig.spooled() == []

    ground.run(test)


def test_a_replayer_that_is_killed_between_commit_and_delete_doubles_nothing(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        traces = await fill(rig, 20)

        async def never(name: str) -> None:
            await asyncio.sleep(3600)

        async with ground.process() as doomed:
            doomed.spool.delete = never  # type: ignore[method-assign]
            replaying = asyncio.create_task(doomed.replayer.replay())
            async with asyncio.timeout(30):
                while not rig.rows():
                    await asyncio.sleep(0.05)
            replaying.cancel()
            await asyncio.wait({replaying})
        committed = rig.rows()
        assert committed
        assert len(rig.spooled()) == 20, "nothing was deleted"

        await rig.replay()
        assert sorted(rig.rows()) == traces
        assert rig.spooled() == []

    ground.run(test)


BROKEN = [b"", b"{", b"[]", b"\xff", b'{"key": "k"}', b'{"key": "", "acceptedAt": 1, "traceId": null, "entry": {}}']


def test_what_can_never_be_replayed_is_set_aside_and_stops_no_other(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(rig: Rig) -> None:
        for number, body in enumerate(BROKEN):
            rig.s3.put_object(Bucket=rig.bucket, Key=f"{PREFIX}{number:064}.json", Body=body)
        await rig.push(key="taken", details="first")
        await rig.spool.put(spooled("taken", details="second"))
        traces = await fill(rig, 10)
        await rig.replay()

        assert set(traces) < set(rig.rows())
        assert len(rig.rows()) == 11
        aside = rig.spooled(prefix=BAD)
        assert rig.spooled() == aside
        assert len(aside) == len(BROKEN) + 1
        bodies = [rig.s3.get_object(Bucket=rig.bucket, Key=name)["Body"].read() for name in aside]
        assert set(BROKEN) <= set(bodies)
        [conflict] = [json.loads(body) for body in bodies if body not in BROKEN]
        assert conflict["entry"]["details"] == "second", "what was accepted is still there"
        said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert len([line for line in said if "cannot be replayed" in line]) == len(aside)

        await rig.replayer.replay()
        assert rig.spooled(prefix=BAD) == aside
        assert waiting() == len(aside), "a person has to look, and the alarm asks for one"

    ground.run(test)


def test_while_postgres_is_away_the_spool_is_counted_and_left_alone(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        await fill(rig, 5)
        with stopped(ground.database.server):
            await rig.replayer.replay()
            assert len(rig.spooled()) == 5
            assert waiting() == 5
        await rig.replay()
        assert waiting() == 0
        assert len(rig.rows()) == 5

    ground.run(test)


def test_an_object_that_cannot_be_deleted_is_replayed_again_and_doubles_nothing(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        traces = await fill(rig, 3)
        delete = rig.spool.delete

        async def refused(name: str) -> None:
            raise AwayError("spool", "AccessDenied")

        rig.spool.delete = refused  # type: ignore[method-assign]
        while len(rig.rows()) < 3:
            await rig.replayer.replay()
        assert (sorted(rig.rows()), waiting()) == (traces, 3)

        rig.spool.delete = delete  # type: ignore[method-assign]
        await rig.replay()
        assert (sorted(rig.rows()), waiting(), rig.spooled()) == (traces, 0, [])

    ground.run(test)


def test_what_is_replayed_is_not_counted_as_a_new_insert(ground: Ground) -> None:
    async def test(rig: Rig) -> None:
        def inserts(store: str) -> float:
            labels = {"store": store, "traffic": "user"}
            return REGISTRY.get_sample_value("web_next_audit_inserts_total", labels) or 0

        before, by_spool = inserts("postgres"), inserts("spool")
        rig.executor.state = "away"
        with stopped(ground.database.server):
            await rig.push()
        await rig.replay()

        assert (inserts("postgres") - before, inserts("spool") - by_spool) == (0, 1)

    ground.run(test)
