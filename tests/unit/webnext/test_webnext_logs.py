from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.memory_audit import Call
from webnext import context, logs


def line(message: str, **record: Any) -> dict[str, Any]:
    made = logging.makeLogRecord({"name": "test", "levelname": "INFO", "msg": message, **record})
    parsed: dict[str, Any] = json.loads(logs.JsonFormatter().format(made))
    return parsed


def test_a_record_is_one_line_of_json_with_its_fields() -> None:
    parsed = line("two\nlines", fields={"status": 200})

    assert (parsed["message"], parsed["status"], parsed["level"]) == ("two\nlines", 200, "info")


def test_the_trace_id_of_the_request_is_on_every_line() -> None:
    token = context.trace_id.set("page-1234")
    try:
        assert line("x")["traceId"] == "page-1234"
    finally:
        context.trace_id.reset(token)
    assert "traceId" not in line("x")


PASSWORD = "-".join(["s3cr3t", "word"])


@pytest.mark.parametrize(
    "text",
    [
        f"missing = after 'postgresql//app:{PASSWORD}@db:5432/audit'",
        f"cannot reach rediss://:{PASSWORD}@redis/0",
        f"host=db password={PASSWORD} dbname=audit",
        f"host=db password = '{PASSWORD}'",
        f"host=db password='it\\'s {PASSWORD}' dbname=audit",
        f'host=db password="correct horse {PASSWORD}"',
        f"host=db password='correct horse {PASSWORD}",
        f'{{"smtpPassword": "correct horse {PASSWORD}", "port": 25}}',
        rf'{{"_err": "{{\"apiKey\": \"correct horse {PASSWORD}\"}}"}}',
        f"client_secret={PASSWORD}",
        f"Illegal header value b'Bearer {PASSWORD}'",
    ],
)
def test_credentials_are_taken_out_of_a_line(text: str) -> None:
    assert PASSWORD not in json.dumps(line(text))


def test_credentials_are_taken_out_of_whatever_a_field_holds() -> None:
    url = f"postgresql://app:{PASSWORD}@db"
    parsed = line("not audited", fields={"details": {"url": url, "in": [url, ("x", {url: 1})], "count": 1}})

    assert PASSWORD not in json.dumps(parsed)
    assert parsed["details"]["count"] == 1


def test_what_a_field_holds_under_a_name_of_a_secret_is_taken_out_whole() -> None:
    held = {"smtpPassword": f"correct horse {PASSWORD}", "deep": [{"API_KEYS": [PASSWORD, 7]}], "tokens": 7}
    parsed = line("not audited", fields={"details": held})

    assert parsed["details"] == {"smtpPassword": "***", "deep": [{"API_KEYS": "***"}], "tokens": "***"}


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


class Stream(io.StringIO):
    """Counts how often it is written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, Stream]]:
    stream, logger = Stream(), logging.getLogger("test.lines")
    handler = logs.LineHandler(stream)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger, stream
    logger.removeHandler(handler)


def test_the_lines_of_one_turn_of_the_loop_are_written_together(written: tuple[logging.Logger, Stream]) -> None:
    logger, stream = written

    async def turn() -> None:
        for number in range(3):
            logger.info("line %s", number)
        assert stream.writes == 0
        await asyncio.sleep(0)
        assert (stream.writes, stream.getvalue()) == (1, "line 0\nline 1\nline 2\n")
        logger.info("line 3")
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert stream.getvalue().splitlines()[-1] == "line 3"


def test_a_warning_and_what_is_said_outside_a_loop_are_written_at_once(
    written: tuple[logging.Logger, Stream],
) -> None:
    logger, stream = written
    logger.info("outside")
    assert stream.getvalue() == "outside\n"

    async def turn() -> None:
        logger.info("before")
        logger.warning("careful")
        assert stream.getvalue() == "outside\nbefore\ncareful\n"

    asyncio.run(turn())


def test_what_a_loop_did_not_come_to_write_is_written_by_the_next_and_at_the_end(
    written: tuple[logging.Logger, Stream],
) -> None:
    logger, stream = written
    ended = asyncio.new_event_loop()

    async def last_words() -> None:
        logger.info("last words")
        ended.stop()

    task = ended.create_task(last_words())
    ended.run_forever()
    assert task.done()
    ended.close()

    async def turn() -> None:
        logger.info("next")
        await asyncio.sleep(0)

    asyncio.run(turn())
    assert stream.getvalue() == "last words\nnext\n"
