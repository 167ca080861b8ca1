from __future__ import annotations

import re

import pytest

from tests.support.memory_audit import Call, MemoryAudit
from webnext.envelope import security_headers, trace_id_for
from webnext.settings import Settings

ANSWERS = [
    ("GET", "/healthz", b"", 200),
    ("GET", "/api/healthz", b"", 200),
    ("POST", "/api/audit/push", b'{"action": "a", "result": "ok"}', 200),
    ("POST", "/api/audit/push", b"{", 400),
    ("GET", "/nowhere", b"", 404),
    ("GET", "/api/audit/push", b"", 405),
    ("POST", "/api/audit/push", b"{}", 422),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERS)
def test_every_answer_carries_the_security_headers_and_a_trace_id(
    call: Call, settings: Settings, method: str, path: str, body: bytes, status: int
) -> None:
    answer = call(method, path, content=body)

    assert answer.status_code == status
    assert security_headers(settings).items() <= {k.title(): v for k, v in answer.headers.items()}.items()
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-trace-id"])


def test_an_unexpected_exception_is_a_json_500_with_the_headers(call: Call, audit: MemoryAudit) -> None:
    audit.failure = RuntimeError("boom")

    answer = call("POST", "/api/audit/list")

    assert answer.status_code == 500
    assert answer.json() == {"_err": "internal error", "traceId": answer.headers["x-trace-id"]}
    assert answer.headers["x-frame-options"] == "DENY"


def test_pages_may_connect_to_the_executor_when_there_is_one() -> None:
    assert "connect-src 'self';" in security_headers(Settings())["Content-Security-Policy"]
    with_executor = Settings(executor_url="https://executor.example.com")
    assert (
        "connect-src 'self' https://executor.example.com;" in security_headers(with_executor)["Content-Security-Policy"]
    )


def test_a_valid_trace_id_is_returned_and_stored(call: Call, audit: MemoryAudit) -> None:
    answer = call("POST", "/api/audit/push", json={"action": "a", "result": "ok"}, headers={"x-trace-id": "page-1234"})

    assert answer.headers["x-trace-id"] == "page-1234"
    assert audit.rows[0].traceId == "page-1234"


def test_the_entrys_own_trace_id_goes_into_the_row(call: Call, audit: MemoryAudit) -> None:
    call(
        "POST",
        "/api/audit/push",
        json={"action": "a", "result": "ok", "traceId": "own"},
        headers={"x-trace-id": "page-1234"},
    )

    assert audit.rows[0].traceId == "own"


@pytest.mark.parametrize("incoming", ["a" * 8, "a" * 64, "A-9" * 3])
def test_a_trace_id_of_8_to_64_letters_digits_and_dashes_is_kept(incoming: str) -> None:
    assert trace_id_for(incoming) == incoming


@pytest.mark.parametrize("incoming", [None, "", "a" * 7, "a" * 65, "abcd_1234", "abcdefgh\n", "abcdéfgh", "a b c d e"])
def test_any_other_trace_id_is_replaced(incoming: str | None) -> None:
    assert trace_id_for(incoming) != incoming


def test_health_reports_what_runs(call: Call) -> None:
    health = call("GET", "/api/healthz").json()

    assert health["ok"] is True
    assert (health["buildSha"], health["version"], health["environment"]) == ("4f2c1d9", "1.5.1", "test")
    assert health["uptimeSec"] >= 0
    assert {"memory", "uptime", "audit"} <= health["checks"].keys()
    assert health["checks"]["audit"] == {"ok": True, "adapter": "production"}


def test_health_shows_a_missing_postgres_without_failing(call: Call, audit: MemoryAudit) -> None:
    audit.go_away()

    health = call("GET", "/api/healthz").json()

    assert health["ok"] is True
    assert health["checks"]["audit"]["ok"] is False
