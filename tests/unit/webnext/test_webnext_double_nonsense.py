"""The executor double and what nobody should send it, or leave it with."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.support.double import ENTRY, ZIP, Client
from webnext.processes import executor
from webnext.settings import Settings


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/double/breach", {"guardrail": "maxNonsense"}, 422),
        ("/double/breach", {"value": 0.15}, 422),
        ("/double/breach", {"strategyId": "s-99"}, 422),
        ("/double/breach", {"value": "much"}, 422),
        ("/strategies/pause", {}, 422),
        ("/strategies/pause", {"breachId": "b-1", "strategyIds": []}, 404),
        ("/strategies/pause", {"breachId": "b 1", "strategyIds": []}, 422),
        ("/strategies/promote", {"batchId": "k-1", "strategyIds": []}, 404),
        ("/audit/push", {"action": "", "result": "ok"}, 422),
        ("/audit/push", {"action": "a", "result": "perhaps"}, 422),
        ("/audit/push", {"action": "a\x00", "result": "ok"}, 422),
        ("/audit/list", {"limit": 0}, 422),
        ("/evidence/zip", {}, 422),
        ("/evidence/zip", {"runId": "../x"}, 422),
        ("/evidence/archive", {"key": "evidence/run/none.zip"}, 404),
        ("/evidence/archive", {"key": "../etc/passwd"}, 422),
        ("/alerts/receive", {"text": "\ud800"}, 422),
        ("/alerts/receive", {"text": ""}, 422),
        ("/alerts/receive", {"text": "x" * 40_001}, 422),
        ("/alerts/receive", {"blocks": []}, 422),
        ("/alerts/refuse", {"traceId": "trace-0001"}, 422),
        ("/alerts/refuse", {"traceId": "a b c d e", "times": 1}, 422),
        ("/alerts/refuse", {"traceId": "trace-0001", "times": -1}, 422),
        ("/alerts/refuse", {"traceId": "trace-0001", "times": 101}, 422),
        ("/alerts/received", {}, 405),
        ("/nowhere", {}, 404),
        ("/guardrails", {}, 405),
    ],
)
def test_nonsense_is_refused_in_json_with_the_trace_id(double: Client, path: str, body: Any, status: int) -> None:
    answer = double.post(path, content=json.dumps(body), headers={"X-Trace-ID": "trace-0001"})

    assert answer.status_code == status
    assert answer.json().keys() == {"_err", "traceId"}
    assert answer.json()["traceId"] == answer.headers["x-trace-id"] == "trace-0001"


@pytest.mark.parametrize(
    "body", [b"{", b"[" * 100_000, b'{"value": 1e999}', b'{"value": NaN}', b"\xff", b"1" * 5000, b"[]", b'"x"']
)
@pytest.mark.parametrize(
    "path", ["/double/breach", "/audit/push", "/alerts/receive", "/alerts/refuse", "/strategies/pause"]
)
def test_no_body_fails_the_double(double: Client, path: str, body: bytes) -> None:
    answer = double.post(path, content=body)

    assert answer.status_code < 500
    assert answer.headers["content-type"] == "application/json"
    assert double.get("/guardrails").status_code == double.get("/alerts/received").status_code == 200


@pytest.mark.parametrize(
    "query", ["", "?expires=x&signature=y", "?expires=-1&signature=" + "a" * 64, "?expires=9&signature=%C3%A9"]
)
@pytest.mark.parametrize("key", ["evidence/x.zip", "..%2F..%2Fetc%2Fpasswd", "%00", "%FF"])
def test_no_address_fails_the_double(double: Client, key: str, query: str) -> None:
    assert double.get(f"/evidence/objects/{key}{query}").status_code in (403, 422)
    assert double.put(f"/evidence/objects/{key}{query}", content=b"", headers=ZIP).status_code in (403, 422)


@pytest.mark.parametrize("host", ["a b", "evil.example/x", "user:word@host", "", "[::1"])
def test_a_host_that_is_none_gets_no_address(double: Client, host: str) -> None:
    answer = double.post("/evidence/zip", json={"runId": "run-1"}, headers={"host": host})

    assert answer.status_code == 400


def test_a_folder_that_cannot_be_written_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("DOUBLE_DATA", str(file / "data"))

    with pytest.raises(SystemExit, match=r"web-next: DOUBLE_DATA is '.*file/data': .*mount a volume"):
        executor.run(Settings())


def test_a_store_that_fails_is_a_503(tmp_path: Path, double: Client) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "double.sqlite3")) as database:
        database.execute("DROP TABLE entries")

    answer = double.post("/audit/push", json=ENTRY)

    assert answer.status_code == 503
    assert answer.json()["_err"] == "store: no such table: entries"
