from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.unit.webnext.doubles import Call
from webnext import logs


def line(message: str, **record: Any) -> dict[str, Any]:
    made = logging.makeLogRecord({"name": "test", "levelname": "INFO", "msg": message, **record})
    parsed: dict[str, Any] = json.loads(logs.JsonFormatter().format(made))
    return parsed


def test_a_record_is_one_line_of_json_with_its_fields() -> None:
    parsed = line("two\nlines", fields={"status": 200})

    assert (parsed["message"], parsed["status"], parsed["level"]) == ("two\nlines", 200, "info")


def test_the_trace_id_of_the_request_is_on_every_line() -> None:
    token = logs.trace_id.set("page-1234")
    try:
        assert line("x")["traceId"] == "page-1234"
    finally:
        logs.trace_id.reset(token)
    assert "traceId" not in line("x")


PASSWORD = "-".join(["s3cr3t", "word"])


@pytest.mark.parametrize(
    "text",
    [
        f"missing = after 'postgresql//app:{PASSWORD}@db:5432/audit'",
        f"cannot reach rediss://:{PASSWORD}@redis/0",
        f"host=db password={PASSWORD} dbname=audit",
        f"host=db password = '{PASSWORD}'",
    ],
)
def test_credentials_are_taken_out_of_a_line(text: str) -> None:
    assert PASSWORD not in json.dumps(line(text))


def test_credentials_are_taken_out_of_an_exception() -> None:
    error = ValueError(f"postgresql://app:{PASSWORD}@db")
    parsed = line("failed", exc_info=(ValueError, error, None))

    assert "ValueError" in parsed["exception"]
    assert PASSWORD not in parsed["exception"]


def test_an_ordinary_line_is_left_alone() -> None:
    text = "POST /api/audit/push at 12:30:05 for ops@example.com"

    assert line(text)["message"] == text


def test_container_health_checks_are_not_logged(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="webnext.http"):
        call("GET", "/healthz")
        assert caplog.records == []
        call("GET", "/api/healthz")

    assert [record.getMessage() for record in caplog.records] == ["request"]
