"""The executor double, called without a socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.double import ENTRY, ZIP, Client, post, running
from webnext.audit.own import own_key
from webnext.contract.audit import AuditEntryV1
from webnext.dependency import AwayError
from webnext.double.journal import KEPT, Journal, Waiting, forward
from webnext.double.objects import MAX_BYTES, SECONDS, Objects
from webnext.double.receiver import KEPT as MESSAGES
from webnext.double.receiver import REFUSALS
from webnext.double.store import Store
from webnext.services import KeyReusedError


def path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


# Guardrails, strategies, batches


def test_at_first_there_are_20_strategies_and_no_breach(double: Client) -> None:
    guardrails = double.get("/guardrails").json()

    assert guardrails["thresholds"] == {"maxDrawdown": 0.15, "maxDailyLoss": 0.05, "maxExposure": 0.8}
    assert guardrails["lastBreach"] is None
    assert guardrails["strategies"] == {"live": 10, "paused": 2, "paper": 8}
    items = double.get("/strategies").json()["items"]
    assert [item["id"] for item in items] == [f"s-{number:02}" for number in range(1, 21)]
    assert double.get("/batches").json() == {"pending": None}
    assert double.get("/healthz").status_code == 200


def test_a_breach_on_demand_is_the_newest(double: Client) -> None:
    first = post(double, "/double/breach", {})
    second = post(double, "/double/breach", {"guardrail": "maxDailyLoss", "value": 0.07, "strategyId": "s-03"})

    assert (first["guardrail"], first["value"], first["threshold"]) == ("maxDrawdown", 0.18, 0.15)
    assert (second["value"], second["threshold"], second["strategyId"]) == (0.07, 0.05, "s-03")
    guardrails = double.get("/guardrails").json()
    assert guardrails["lastBreach"] == second
    assert guardrails["recentBreaches"] == [second, first]


def test_pausing_twice_for_a_breach_pauses_once(double: Client) -> None:
    breach = post(double, "/double/breach", {})["id"]

    once = post(double, "/strategies/pause", {"breachId": breach, "strategyIds": ["s-02", "s-11", "s-02"]})
    again = post(double, "/strategies/pause", {"breachId": breach, "strategyIds": ["s-03"]})

    assert once == again == {"paused": ["s-02"]}
    assert double.get("/guardrails").json()["strategies"] == {"live": 9, "paused": 3, "paper": 8}


def test_a_batch_is_pending_until_it_is_promoted_once(double: Client) -> None:
    batch = post(double, "/double/batch", {})
    assert batch["strategyIds"] == ["s-13", "s-14", "s-15", "s-16"]
    assert double.get("/batches").json() == {"pending": batch}
    wanted = {"batchId": batch["id"], "strategyIds": ["s-14", "s-13"]}

    assert post(double, "/strategies/promote", wanted) == {"promoted": ["s-14", "s-13"]}
    assert post(double, "/strategies/promote", wanted | {"strategyIds": []}) == {"promoted": ["s-14", "s-13"]}

    assert double.get("/batches").json() == {"pending": None}
    assert double.get("/guardrails").json()["strategies"] == {"live": 12, "paused": 2, "paper": 6}


def test_batches_share_no_strategy_and_end_with_the_paper_strategies(double: Client) -> None:
    batches = [post(double, "/double/batch", {})["strategyIds"] for _ in range(2)]

    assert len({strategy for batch in batches for strategy in batch}) == 8
    assert double.post("/double/batch").status_code == 422


def test_a_reset_puts_all_back(double: Client) -> None:
    breach = post(double, "/double/breach", {})["id"]
    post(double, "/strategies/pause", {"breachId": breach, "strategyIds": ["s-01"]})
    post(double, "/double/reset", {})

    assert double.get("/guardrails").json()["lastBreach"] is None
    assert double.get("/guardrails").json()["strategies"]["live"] == 10


def test_the_desk_the_journal_and_the_messages_survive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as double:
        breach = post(double, "/double/breach", {})
        post(double, "/strategies/pause", {"breachId": breach["id"], "strategyIds": ["s-01"]})
        batch = post(double, "/double/batch", {})
        post(double, "/audit/push", ENTRY, Idempotency_Key="one")
        post(double, "/alerts/receive", {"text": "hello"})

    with running(tmp_path) as double:
        assert double.get("/guardrails").json()["lastBreach"] == breach
        again = {"breachId": breach["id"], "strategyIds": ["s-02"]}
        assert post(double, "/strategies/pause", again) == {"paused": ["s-01"]}
        assert double.get("/batches").json() == {"pending": batch}
        assert [item["id"] for item in post(double, "/audit/list", {})["items"]] == ["one"]
        assert [message["text"] for message in double.get("/alerts/received").json()["items"]] == ["hello"]


# Audit


def test_an_entry_is_taken_once_for_each_key_and_listed_newest_first(double: Client) -> None:
    assert post(double, "/audit/push", ENTRY, Idempotency_Key="one", X_Trace_ID="trace-0001") == {
        "ok": True,
        "id": "one",
    }
    assert post(double, "/audit/push", ENTRY, Idempotency_Key="one", X_Trace_ID="trace-0002")["id"] == "one"
    post(double, "/audit/push", ENTRY | {"traceId": "own", "timestamp": 5, "details": "d"}, Idempotency_Key="two")

    newest, oldest = post(double, "/audit/list", {"limit": 10})["items"]

    assert (newest["id"], newest["traceId"], newest["details"]) == ("two", "own", {"text": "d", "clientTimestamp": 5})
    assert (oldest["id"], oldest["traceId"]) == ("one", "trace-0001")
    assert [item["id"] for item in post(double, "/audit/list", {"traceId": "own"})["items"]] == ["two"]
    assert len(post(double, "/audit/list", {"limit": 1})["items"]) == 1


def test_an_entry_that_comes_again_with_another_requests_trace_id_is_the_same(double: Client) -> None:
    for trace in ("trace-0001", "trace-0002"):
        post(double, "/audit/push", ENTRY | {"traceId": trace}, Idempotency_Key="one", X_Trace_ID=trace)

    assert [item["traceId"] for item in post(double, "/audit/list", {})["items"]] == ["trace-0001"]


def test_a_key_of_web_nexts_own_is_taken_and_so_is_an_entry_without_any(double: Client) -> None:
    assert (
        post(double, "/audit/push", ENTRY, Idempotency_Key=own_key("auto-pause:b-1"))["id"] == "web-next auto-pause:b-1"
    )
    assert post(double, "/audit/push", ENTRY)["id"].startswith(own_key(""))


def test_a_key_that_is_another_entrys_is_refused(double: Client) -> None:
    post(double, "/audit/push", ENTRY, Idempotency_Key="one")

    answer = double.post("/audit/push", json=ENTRY | {"action": "other"}, headers={"Idempotency-Key": "one"})

    assert answer.status_code == 409
    assert len(post(double, "/audit/list", {})["items"]) == 1


class Target:
    """Where the journal is forwarded to: keeps an entry once for each key, `away` after a number of calls."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[AuditEntryV1, str, str | None]] = {}
        self.away_after: int | None = None
        self.reused: set[str] = set()

    async def append(self, one: Waiting) -> object:
        if one.key in self.reused:
            raise KeyReusedError(one.key)
        if len(self.kept) == self.away_after:
            raise AwayError("postgres", "connection refused")
        self.kept[one.key] = one.entry, one.trace_id, one.actor
        return None


def with_journal(folder: Path, now: datetime, keys: list[str], target: Target) -> tuple[list[str], list[str]]:
    """Push `keys`, forward; the keys that wait then, and those that are listed."""

    async def run() -> tuple[list[str], list[str]]:
        store = Store(folder)
        journal = Journal(store, clock=lambda: now)
        for key in keys:
            await journal.take(AuditEntryV1(action=key, result="ok", details={"n": 1}), "trace-0001", key, "192.0.2.1")
        with contextlib.suppress(AwayError):
            await forward(journal, target.append)
        waiting, listed = await journal.waiting(), await journal.newest(500)
        await store.close()
        return [one.key for one in waiting], [str(item.id) for item in listed]

    return asyncio.run(run())


NOW = datetime(2025, 1, 1, tzinfo=UTC)


def test_what_waits_is_forwarded_in_order_as_it_came_and_stays_listed(tmp_path: Path) -> None:
    target = Target()
    target.away_after = 2

    assert with_journal(tmp_path, NOW, ["a", "b", "c"], target) == (["c"], ["c", "b", "a"])
    target.away_after = None
    assert with_journal(tmp_path, NOW, [], target) == ([], ["c", "b", "a"])

    assert list(target.kept) == ["a", "b", "c"]
    assert target.kept["a"] == (AuditEntryV1(action="a", result="ok", details={"n": 1}), "trace-0001", "192.0.2.1")


def test_more_than_a_batch_is_forwarded(tmp_path: Path) -> None:
    target = Target()
    keys = [f"k-{number}" for number in range(450)]

    waiting, _ = with_journal(tmp_path, NOW, keys, target)

    assert waiting == []
    assert list(target.kept) == keys


def test_an_entry_whose_key_is_another_entrys_in_postgres_is_logged_and_holds_up_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = Target()
    target.reused = {"a"}

    assert with_journal(tmp_path, NOW, ["a", "b"], target) == ([], ["b", "a"])

    assert list(target.kept) == ["b"]
    assert [record.getMessage() for record in caplog.records] == ["not audited: a"]


def test_what_was_forwarded_is_dropped_after_a_week_and_what_waits_is_not(tmp_path: Path) -> None:
    target = Target()
    target.away_after = 1
    with_journal(tmp_path, NOW, ["a", "b"], target)
    target.away_after = None
    later = NOW + KEPT + timedelta(seconds=1)

    assert with_journal(tmp_path, later - timedelta(seconds=2), [], Target())[1] == ["b", "a"]
    assert with_journal(tmp_path, later, ["c"], target) == ([], ["c"])


# Evidence


def test_evidence_is_put_and_got_at_its_own_addresses(double: Client) -> None:
    grant = post(double, "/evidence/zip", {"runId": "run-1"})
    body = b"PK\x05\x06" + bytes(300_000)

    assert grant["uploadUrl"].startswith("http://executor:3010/evidence/objects/evidence/run-1/")
    assert double.put(path_of(grant["uploadUrl"]), content=body, headers=ZIP).status_code == 200
    answer = double.get(path_of(grant["downloadUrl"]))
    archived = post(double, "/evidence/archive", {"key": grant["key"], "runId": "run-1"})

    assert answer.content == body
    assert answer.headers["content-type"] == "application/zip"
    assert archived == {"metadataKey": f"{grant['key']}.json", "sizeBytes": len(body)}
    again = {"key": grant["key"], "runId": "run-1"}
    assert post(double, "/evidence/archive", again) == archived
    assert double.post("/evidence/archive", json=again | {"metadata": {"a": 1}}).status_code == 409
    assert post(double, "/evidence/archive", again) == archived, "it is as it was"


def test_addresses_begin_with_the_executors_own_where_it_is_set(tmp_path: Path) -> None:
    with running(tmp_path, "https://executor.example.com") as double:
        grant = post(double, "/evidence/zip", {"jobId": "job-1"})

    assert grant["uploadUrl"].startswith("https://executor.example.com/evidence/objects/evidence/job-1/")


def test_an_address_is_good_for_its_method_and_object_only(double: Client) -> None:
    grant = post(double, "/evidence/zip", {"runId": "run-1"})
    other = post(double, "/evidence/zip", {"runId": "run-2"})
    up, down = path_of(grant["uploadUrl"]), path_of(grant["downloadUrl"])

    assert double.put(down, content=b"PK", headers=ZIP).status_code == 403
    assert double.put(up, content=b"PK", headers=ZIP).status_code == 200
    assert double.get(up).status_code == 403
    assert double.get(down.replace(grant["key"], other["key"])).status_code == 403
    assert double.get(path_of(other["downloadUrl"])).status_code == 404
    assert double.get(down.replace("expires=1", "expires=2")).status_code == 403


def test_an_address_expires(tmp_path: Path) -> None:
    now = [1_000_000.0]
    objects = Objects(tmp_path, clock=lambda: now[0])
    key, expires = "evidence/run-1/x.zip", 1_000_000 + SECONDS
    signature = objects._sign("GET", key, expires, None)
    objects.check("GET", key, expires, None, signature)

    now[0] = expires

    with pytest.raises(ValueError, match="expired"):
        objects.check("GET", key, expires, None, signature)


def test_a_restart_ends_what_was_granted(tmp_path: Path) -> None:
    with running(tmp_path) as double:
        up = path_of(post(double, "/evidence/zip", {"runId": "run-1"})["uploadUrl"])
    with running(tmp_path) as double:
        assert double.put(up, content=b"PK", headers=ZIP).status_code == 403


@pytest.mark.parametrize(("size", "status"), [(9, 400), (10, 200), (11, 413)])
def test_a_signed_size_is_the_only_one_that_uploads(double: Client, size: int, status: int) -> None:
    grant = post(double, "/evidence/zip", {"runId": "run-1", "sizeBytes": 10})

    assert double.put(path_of(grant["uploadUrl"]), content=bytes(size), headers=ZIP).status_code == status
    assert double.get(path_of(grant["downloadUrl"])).status_code == (200 if status == 200 else 404)


def test_what_is_too_large_leaves_nothing_behind(tmp_path: Path, double: Client) -> None:
    grant = post(double, "/evidence/zip", {"runId": "run-1"})

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BYTES // 2**20 + 1):
            yield bytes(2**20)

    assert double.put(path_of(grant["uploadUrl"]), content=chunks(), headers=ZIP).status_code == 413
    assert list((tmp_path / "objects").iterdir()) == []


def test_only_zips_are_put(double: Client) -> None:
    up = path_of(post(double, "/evidence/zip", {"runId": "run-1"})["uploadUrl"])

    assert double.put(up, content=b"PK", headers={"content-type": "text/html"}).status_code == 415


# Alerts


def message(trace: str, words: str = "words") -> dict[str, str]:
    return {"text": f"*[info] title*\n{words}\ntrace {trace}"}


def received(double: Client, query: str = "") -> list[tuple[str, bool]]:
    """The messages' texts without their last lines, and whether each was taken."""
    items = double.get(f"/alerts/received{query}").json()["items"]
    return [(item["text"].split("\n")[1], item["taken"]) for item in items]


def test_messages_are_listed_newest_first_with_their_time_all_or_those_of_one_trace(double: Client) -> None:
    for trace, words in (("trace-0001", "first"), ("trace-0002", "second"), ("trace-0001", "third")):
        post(double, "/alerts/receive", message(trace, words) | {"blocks": []})

    assert received(double) == [("third", True), ("second", True), ("first", True)]
    assert received(double, "?traceId=trace-0001") == [("third", True), ("first", True)]
    assert received(double, "?traceId=trace-0003") == []
    newest = double.get("/alerts/received").json()["items"][0]
    assert newest == {"at": newest["at"], "traceId": "trace-0001", "taken": True, **message("trace-0001", "third")}
    assert datetime.now(UTC) - datetime.fromisoformat(newest["at"]) < timedelta(seconds=30)
    assert double.get("/alerts/received?traceId=a%20b").status_code == 422


def test_as_many_messages_of_a_trace_are_refused_as_was_asked_and_no_others(double: Client) -> None:
    post(double, "/alerts/refuse", {"traceId": "trace-0001", "times": 2})
    texts = [message("trace-0002"), {"text": "trace trace-0001\nin its first line"}, {"text": "trace-0001"}]
    assert [double.post("/alerts/receive", json=text).status_code for text in texts] == [200] * 3

    statuses = [double.post("/alerts/receive", json=message("trace-0001")).status_code for _ in range(3)]

    assert statuses == [500, 500, 200]
    assert received(double, "?traceId=trace-0001") == [("words", True), ("words", False), ("words", False)]


def test_a_wish_to_refuse_is_replaced_by_the_next_and_0_ends_it(double: Client) -> None:
    for times in (5, 1, 0):
        post(double, "/alerts/refuse", {"traceId": "trace-0001", "times": times})
    assert double.post("/alerts/receive", json=message("trace-0001")).status_code == 200


def test_few_messages_and_few_wishes_are_kept(double: Client) -> None:
    for number in range(REFUSALS + 1):
        post(double, "/alerts/refuse", {"traceId": f"trace-{number:04}", "times": 1})
    statuses = [double.post("/alerts/receive", json=message(f"trace-{one:04}")).status_code for one in (0, 1)]
    assert statuses == [200, 500]

    for number in range(MESSAGES):
        post(double, "/alerts/receive", message("trace-9999", str(number)))
    kept = [words for words, _ in received(double)]
    assert kept == [str(number) for number in reversed(range(MESSAGES))]
