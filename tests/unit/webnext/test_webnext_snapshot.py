from __future__ import annotations

import asyncio
import csv
import gc
import io
import json
import re
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.types import Message

from tests.support.memory_audit import Call, MemoryAudit
from webnext import metrics
from webnext.app import create_app
from webnext.contract.alerts import QueueAnswer
from webnext.contract.audit import AuditItem, ListAnswer
from webnext.contract.guardrails import Breach, GuardrailsAnswer
from webnext.dependency import AwayError
from webnext.services import Services
from webnext.snapshot import stream
from webnext.snapshot.cells import cell, comment, json_cell

PATH = "/api/snapshot/export"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫", "−")


def item(number: int | str = 1, **given: Any) -> AuditItem:
    plain = {"id": number, "ts": datetime.now(UTC), "action": "deploy", "result": "ok"}
    return AuditItem.model_validate(plain | given)


def file(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """The comment lines and the rows of an export."""
    lines = text.split("\n")
    rows = [line for line in lines if line and not line.startswith("#")]
    return [line for line in lines if line.startswith("#")], list(csv.DictReader(io.StringIO("\n".join(rows))))


class Source(MemoryAudit):
    """Gives `count` entries, one by one, and then fails with `failure` where it is set; notes when it is closed."""

    def __init__(self, count: int, failure: Exception | None = None, **given: Any) -> None:
        super().__init__()
        self.count, self.breaks, self.given = count, failure, given
        self.reached = 0
        self.closed = 0
        self.open_now = 0
        self.most_open = 0

    async def since(self, hours: int) -> AsyncIterator[AuditItem]:
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            for number in range(self.count):
                self.reached = number
                await asyncio.sleep(0)
                yield item(number, **self.given)
            if self.breaks:
                raise self.breaks
        finally:
            self.open_now -= 1
            self.closed += 1


async def exported(services: Services) -> str:
    transport = httpx.ASGITransport(app=create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
        answer = await client.post(PATH, json={"format": "csv"})
    assert answer.status_code == 200
    return answer.text


def test_it_begins_with_the_playbooks_lines_and_ends_with_the_number_of_rows(call: Call, audit: MemoryAudit) -> None:
    audit.rows = [item(1), item(2, details={"a": [1, "b"]}, strategyId="s-1", traceId="trace-001")]

    answer = call("POST", PATH, json={"format": "csv", "hours": 24})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(
        r'attachment; filename="snapshot-test-\d{8}T\d{6}Z\.csv"', answer.headers["content-disposition"]
    )
    lines = answer.text.split("\n")
    assert lines[:3] == [
        "# Spark Trading Platform - Snapshot Export",
        "# Environment: test",
        "# Build SHA: 4f2c1d9",
    ]
    assert re.fullmatch(r"# Exported At: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines[3])
    assert lines[4] == "# Period: 24 hours"
    assert lines[-2:] == ["# Rows: 2", ""]
    _, [first, second] = file(answer.text)
    assert list(first) == ["ts", "id", "action", "result", "strategyId", "traceId", "actor", "details"]
    assert (first["id"], first["strategyId"], first["details"]) == ("1", "", "")
    assert (second["strategyId"], second["traceId"], json.loads(second["details"])) == (
        "s-1",
        "trace-001",
        {"a": [1, "b"]},
    )
    assert datetime.fromisoformat(first["ts"]) == audit.rows[0].ts
    assert "_mock: true" not in answer.text


def test_an_empty_body_means_csv_of_24_hours(call: Call) -> None:
    assert "# Period: 24 hours\n" in call("POST", PATH).text


@pytest.mark.parametrize("body", [{"format": "xlsx"}, {"hours": 0}, {"hours": 745}, {"hours": "many"}])
def test_another_format_or_period_is_a_422(call: Call, body: dict[str, Any]) -> None:
    assert call("POST", PATH, json=body).status_code == 422


def test_flags_guardrails_and_queue_are_shown_and_marked_where_a_fallback_answered(services: Services) -> None:
    breach = Breach(id="b", guardrail="maxDrawdown", value=0.2, threshold=0.15, at=datetime(2026, 1, 1, tzinfo=UTC))

    class Guardrails:
        async def read(self) -> GuardrailsAnswer:
            return GuardrailsAnswer(mock=False, thresholds={"maxDrawdown": 0.15}, lastBreach=breach)

    class Alerts:
        async def counts(self) -> QueueAnswer:
            return QueueAnswer(pending=3, dlq=1, waiting=3, active=0, delayed=0, mock=True)

    filled: Services = replace(services, guardrails=Guardrails(), alerts=Alerts())  # type: ignore[arg-type]

    comments, _ = file(asyncio.run(exported(filled)))

    assert "# Guardrails: maxDrawdown=0.15 last breach: maxDrawdown 0.2 at 2026-01-01T00:00:00Z" in comments
    assert "# Queue: _mock=true pending=3 dlq=1" in comments
    flags = "FEATURE_AUTO_PAUSE=0.0 FEATURE_BATCH_PROMOTE=0.0 EVIDENCE_CLEANUP_DRY_RUN=False ALERTS_CONSUME=True"
    assert f"# Flags: {flags}" in comments


def test_without_the_audit_log_the_fallbacks_entries_of_the_period_are_given_and_marked(services: Services) -> None:
    class Away(MemoryAudit):
        async def newest(self, limit: int, trace_id: str | None = None, after: str | None = None) -> ListAnswer:
            assert limit == 500
            old = item(1, ts=datetime.now(UTC) - timedelta(hours=25))
            return ListAnswer(mock=True, items=[item("new"), item("older"), old])

    away = Away()
    away.go_away()
    counter = metrics.FALLBACKS.labels(PATH, "postgres", "user")
    before = counter._value.get()

    comments, rows = file(asyncio.run(exported(replace(services, audit=away))))

    assert any(line.startswith("# _mock: true, ") and "postgres: connection refused" in line for line in comments)
    assert [row["id"] for row in rows] == ["older", "new"], "oldest first, and none from before the period"
    assert comments[-1] == "# Rows: 2"
    assert counter._value.get() == before + 1


@pytest.mark.parametrize(
    ("failure", "why"),
    [(AwayError("postgres", "gone\n# Rows: 9"), "postgres: gone # Rows: 9"), (RuntimeError("boom"), "internal error")],
)
def test_a_source_that_dies_midway_leaves_a_file_that_says_so(services: Services, failure: Exception, why: str) -> None:
    source = Source(3, failure)

    text = asyncio.run(exported(replace(services, audit=source)))

    assert text.endswith(f"\n# INCOMPLETE: ends after 3 rows: {why}\n")
    assert "\n# Rows:" not in text
    assert source.closed == 1


def test_an_unexpected_failure_before_the_first_row_is_a_500(services: Services) -> None:
    audit = MemoryAudit()
    audit.failure = RuntimeError("boom")
    transport = httpx.ASGITransport(app=create_app(replace(services, audit=audit)), raise_app_exceptions=False)

    async def export() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
            return await client.post(PATH)

    answer = asyncio.run(export())

    assert answer.status_code == 500
    assert answer.json()["_err"] == "internal error"


@pytest.mark.parametrize("start", FORMULA_STARTS)
@pytest.mark.parametrize("before", ["", " ", "\u3000", "\u200b", "\ufeff", "\xa0 \t"])
def test_no_cell_can_start_a_formula(start: str, before: str) -> None:
    text = f"{before}{start}HYPERLINK(1)"

    assert cell(text).startswith("'")
    assert not re.search(r"[\x00-\x1f]", cell(text))


@pytest.mark.parametrize("text", ["deploy", "a-b", "a=b", "4 + 4", "'quoted", "päuse", ""])
def test_harmless_text_stays_as_it_is(text: str) -> None:
    assert cell(text) == text


def test_a_semicolon_does_not_start_a_formula_where_the_locale_splits_at_it() -> None:
    assert cell("x;=1+1") == "x;'=1+1"
    assert cell("x; ;\t@SUM") == "x; ;'\\t@SUM"
    assert json_cell({"note": "x;=1+1"}) == '{"note":"x\\u003b=1+1"}'


@pytest.mark.parametrize("value", ["a\nb", "x;=1", "=1", {"a": "\t\x85\u2028;"}, {"=1": [1, None, True, 1.5]}, "é"])
def test_details_read_back_as_they_were(value: Any) -> None:
    assert json.loads(json_cell(value)) == value


def test_a_row_is_one_line_and_cannot_pass_for_a_comment(services: Services) -> None:
    bad = 'x\r\n# Rows: 0\n"=1,2'
    source = Source(2, action=bad, traceId=bad, strategyId=bad, details={bad: bad})

    text = asyncio.run(exported(replace(services, audit=source)))

    comments, rows = file(text)
    assert len(rows) == 2
    assert [line for line in comments if line.startswith("# Rows")] == ["# Rows: 2"]
    assert rows[0]["action"] == 'x\\r\\n# Rows: 0\\n"=1,2'
    assert json.loads(rows[0]["details"]) == {bad: bad}
    assert "\r" not in text


@pytest.mark.parametrize(
    "value",
    ["prod\n=1+1", "prod\r\nts,id", "x,=1", "x, \t+1", "x;@a", 'x,"', "x\x85y\u2028z", "x,\n=1", "y" * 5000],
)
def test_a_comment_is_one_line_that_opens_no_cell(value: str) -> None:
    line = comment("Environment", value)

    assert line.startswith("# Environment: ")
    assert len(line.splitlines()) == 1
    assert len(line) <= 1001
    for separator in ",;":
        [cells] = csv.reader([line], delimiter=separator)
        assert not any(part.strip().startswith(("=", "+", "-", "@")) for part in cells)


def test_an_environments_name_breaks_neither_file_nor_headers(services: Services) -> None:
    name = 'prod\r\nX-Evil: 1\n"; filename="=x'
    services = replace(services, settings=services.settings.model_copy(update={"environment": name}))

    async def export() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
            return await client.post(PATH)

    answer = asyncio.run(export())

    assert answer.text.split("\n")[2] == "# Build SHA: 4f2c1d9"
    assert "x-evil" not in answer.headers
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+\.csv"', answer.headers["content-disposition"])


def scope() -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("web-next", 80),
    }


class Client:
    """An ASGI client that counts what it takes; after `takes` pieces it leaves, or with `stalls` it stands still."""

    def __init__(self, takes: int | None = None, *, stalls: bool = False) -> None:
        self.takes, self.stalls = takes, stalls
        self.bytes = 0
        self.last: Message = {}
        self._asked = False
        self._gone = asyncio.Event()

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.last = message
        body = message.get("body", b"")
        self.bytes += len(body)
        if body and self.takes is not None:
            self.takes -= 1
            if self.takes <= 0:
                if self.stalls:
                    await asyncio.Event().wait()
                self._gone.set()


def test_a_client_that_goes_away_frees_the_source_before_the_answer_ends(services: Services) -> None:
    source = Source(1_000_000, details={"text": "x" * 1000})

    async def leave() -> None:
        client = Client(takes=2)
        await create_app(replace(services, audit=source))(scope(), client.receive, client.send)
        assert source.closed == 1

    asyncio.run(leave())

    assert source.reached < 1000, "nothing is read for nobody"


def test_a_client_that_takes_nothing_is_given_up(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "STALL_SECONDS", 0.05)
    source = Source(1_000_000, details={"text": "x" * 1000})

    async def stall() -> Message:
        client = Client(takes=1, stalls=True)
        await create_app(replace(services, audit=source))(scope(), client.receive, client.send)
        return client.last

    last = asyncio.run(stall())

    assert source.closed == 1
    assert last["more_body"] is True, "the answer has no end, so that the client sees that it is cut"


def test_a_rows_time_is_as_wide_on_the_second_as_between(call: Call, audit: MemoryAudit) -> None:
    audit.rows = [item(1, ts=datetime(2026, 1, 1, tzinfo=UTC)), item(2, ts=datetime(2026, 1, 1, 0, 0, 0, 7, UTC))]

    text = call("POST", PATH, json={"format": "csv"}).text

    assert "2026-01-01T00:00:00.000000Z" in text
    assert "2026-01-01T00:00:00.000007Z" in text


def peak(services: Services, rows: int) -> tuple[int, int]:
    """The most memory held while so many rows are exported, and the bytes of the file.

    What other tests left is no garbage of this one's: beside much of it Python collects seldom, and what is held grows.
    """

    async def export() -> int:
        client = Client()
        source = Source(rows, details={"text": "x" * 20})
        await create_app(replace(services, audit=source))(scope(), client.receive, client.send)
        assert source.closed == 1
        return client.bytes

    gc.collect()
    gc.freeze()
    tracemalloc.start()
    try:
        size = asyncio.run(export())
        return tracemalloc.get_traced_memory()[1], size
    finally:
        tracemalloc.stop()
        gc.unfreeze()


def test_memory_does_not_grow_with_the_rows(services: Services) -> None:
    peak(services, 1)
    few, _ = peak(services, 1_000)

    many, size = peak(services, 20_000)

    assert size > 1.5 * 2**20
    assert many < few + 2**19


def test_openapi_says_text_csv(call: Call) -> None:
    answers = call("GET", "/api/openapi.json").json()["paths"][PATH]["post"]["responses"]

    assert answers["200"]["content"] == {"text/csv": {"schema": {"type": "string"}}}
