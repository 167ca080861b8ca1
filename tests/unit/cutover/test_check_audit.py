"""The audit check: an entry is written, marked, read back, and its row is in Postgres."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import httpx
import psycopg
import pytest

from cutover.schema import access
from cutover.smoke.checks import audit
from cutover.smoke.probe import CheckFailedError
from tests.support.edge_double import TARGET, Edge

SECRET = "postgresql://audit_reader:hunter2@127.0.0.1:1/audit"


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> Edge:
    """An edge whose database has the rows that were pushed through it."""
    made = Edge()
    in_postgres = lambda trace, _probe: [row["id"] for row in made.rows if row["traceId"] == trace]  # noqa: E731
    monkeypatch.setattr(audit, "rows_of", in_postgres)
    return made


def test_an_audit_entry_is_written_read_back_and_marked_as_smoke(edge: Edge) -> None:
    assert audit.look(edge.probe()) == "entry 1 written and read, its row is in Postgres"
    assert edge.rows[0]["details"] == {"traffic": "smoke"}
    assert edge.rows[0]["traceId"].startswith("smoke-")


@pytest.mark.parametrize(
    ("path", "document", "complaint"),
    [
        ("/api/audit/push", {"ok": False, "_err": "disk full"}, "push was not accepted: disk full"),
        ("/api/audit/push", {}, "push was not accepted"),
        ("/api/audit/push", {"ok": True, "_mock": True, "via": "spool"}, "push was taken by a fallback: via spool"),
        ("/api/audit/list", {"_mock": True, "items": []}, "answered by a fallback: _mock is True"),
        ("/api/audit/list", {"items": []}, "answered by a fallback: _mock is None"),
        ("/api/audit/list", {"_mock": False, "items": []}, "entry 1 was written and is not listed under its trace id"),
        (
            "/api/audit/list",
            {"_mock": False, "items": None},
            "entry 1 was written and is not listed under its trace id",
        ),
        (
            "/api/audit/list",
            {"_mock": False, "items": ["x", {"id": "7"}]},
            "is not listed under its trace id smoke-.*, 1 others are",
        ),
        ("/api/audit/list", {"_mock": False, "items": [{"id": 1, "traceId": "other"}]}, "does not carry its trace id"),
    ],
)
def test_an_entry_that_is_not_kept_fails_the_audit_check(
    edge: Edge, path: str, document: dict[str, Any], complaint: str
) -> None:
    edge.answer(path, document)

    with pytest.raises(CheckFailedError, match=complaint):
        audit.look(edge.probe())


def test_an_entry_is_found_however_many_came_after_it(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    later = [{"id": str(number), "traceId": "load"} for number in range(1000, 1100)]
    ask = edge._app

    def busy(path: str, request: httpx.Request) -> httpx.Response:
        answer = ask(path, request)
        if path == "/api/audit/push":
            edge.rows[:0] = later
        return answer

    monkeypatch.setattr(edge, "_app", busy)
    assert audit.look(edge.probe()) == "entry 1 written and read, its row is in Postgres"


@pytest.mark.parametrize("rows", [[], ["2"], ["1", "1"]])
def test_another_number_of_rows_than_one_fails(edge: Edge, monkeypatch: pytest.MonkeyPatch, rows: list[str]) -> None:
    monkeypatch.setattr(audit, "rows_of", lambda _trace, _probe: rows)

    with pytest.raises(
        CheckFailedError, match=rf"Postgres has {len(rows)} rows of trace smoke-.*, the one of entry 1 e"
    ):
        audit.look(edge.probe())


def test_the_row_is_looked_for_read_only_and_not_for_long() -> None:
    said: list[str] = []

    class Connection:
        def execute(self, statement: str, _values: object = None) -> Connection:
            said.append(statement)
            return self

        def fetchall(self) -> list[tuple[int]]:
            return [(7,)]

    probe = Edge().probe()
    probe.database = lambda: nullcontext(Connection())  # type: ignore[arg-type]

    assert audit.rows_of("t", probe) == ["7"]
    assert said[:2] == ["SET statement_timeout = '5s'", "SET default_transaction_read_only = on"]


def test_a_database_that_does_not_answer_fails_without_its_url(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(access, "secret_value", lambda *_, **__: SECRET)
    monkeypatch.setattr(access, "listens", lambda *_: True)
    monkeypatch.setattr(psycopg, "connect", refuses)
    probe = Edge().probe()
    probe.database = access.AuditDatabase.from_output(TARGET.places.database.output()).open

    with pytest.raises(CheckFailedError) as failed:
        audit.rows_of("t", probe)
    assert str(failed.value) == "the row cannot be looked for: the audit database does not answer: connection refused"
