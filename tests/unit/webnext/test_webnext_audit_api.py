from __future__ import annotations

import json
from typing import Any

import pytest
from webnext.entry import AuditEntry

from tests.unit.webnext.doubles import Call, MemoryAudit
from webnext.app import MAX_BODY
from webnext.audit import AuditUnavailableError, EntryRefusedError, MockAudit

ENTRY = {"action": "deploy", "result": "ok"}


def test_an_entry_is_stored_and_its_id_returned(call: Call, audit: MemoryAudit) -> None:
    answer = call("POST", "/api/audit/push", json={**ENTRY, "strategyId": "s-1", "details": {"a": [1]}})

    assert (answer.status_code, answer.json()) == (200, {"ok": True, "id": 1})
    assert audit.rows[0]["strategyId"] == "s-1"
    assert json.loads(audit.rows[0]["details"]) == {"a": [1]}


def test_the_list_is_newest_first_and_no_longer_than_asked(call: Call) -> None:
    for action in ("first", "second", "third"):
        call("POST", "/api/audit/push", json={"action": action, "result": "ok"})

    answer = call("POST", "/api/audit/list", json={"limit": 2}).json()

    assert answer["_mock"] is False
    assert [item["action"] for item in answer["items"]] == ["third", "second"]


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_json_is_read_whatever_the_content_type_says(call: Call, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}

    assert call("POST", "/api/audit/push", content=json.dumps(ENTRY), headers=headers).json()["ok"] is True
    assert len(call("POST", "/api/audit/list", content=b'{"limit": 1}', headers=headers).json()["items"]) == 1


def test_a_list_without_a_body_has_the_default_length(call: Call) -> None:
    assert call("POST", "/api/audit/list").json() == {"_mock": False, "items": []}


def test_without_postgres_a_push_is_not_accepted_and_says_so(call: Call, audit: MemoryAudit) -> None:
    audit.go_away()

    answer = call("POST", "/api/audit/push", json=ENTRY)

    assert answer.status_code == 200
    assert answer.json() == {"ok": False, "_err": "audit store unavailable", "_mock": True}
    assert audit.rows == []


def test_without_postgres_a_list_is_empty_and_marked(call: Call, audit: MemoryAudit) -> None:
    audit.go_away()

    assert call("POST", "/api/audit/list").json() == {"_mock": True, "items": []}


def test_the_mock_marks_vanish_when_postgres_is_back(call: Call, audit: MemoryAudit) -> None:
    audit.go_away()
    call("POST", "/api/audit/push", json=ENTRY)
    audit.failure = None

    assert call("POST", "/api/audit/push", json=ENTRY).json() == {"ok": True, "id": 1}


@pytest.mark.parametrize("method", ["append", "newest", "ping"])
def test_the_mock_adapter_never_accepts_anything(method: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "append": (AuditEntry.model_validate(ENTRY), "t"),
        "newest": (1,),
        "ping": (),
    }

    with pytest.raises(AuditUnavailableError, match="VAULT_PREFIX"):
        getattr(MockAudit(), method)(*arguments[method]).send(None)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_not_json_is_a_400(call: Call, body: bytes) -> None:
    answer = call("POST", "/api/audit/push", content=body)

    assert answer.status_code == 400
    assert answer.json() == {"_err": "body is not JSON", "traceId": answer.headers["x-trace-id"]}


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({}, "action"),
        ({"action": "", "result": "ok"}, "action"),
        ({"action": "a\x00b", "result": "ok"}, "action"),
        ({"action": "a", "result": "maybe"}, "result"),
        ({"action": "a", "result": "ok", "version": "2.0"}, "version"),
        ({"action": "a", "result": "ok", "details": 7}, "details"),
        ([], "body"),
    ],
)
def test_an_entry_that_breaks_a_rule_is_a_422_that_names_the_field(call: Call, entry: Any, field: str) -> None:
    answer = call("POST", "/api/audit/push", json=entry)

    assert answer.status_code == 422
    assert field in answer.json()["_err"]
    assert answer.json()["traceId"] == answer.headers["x-trace-id"]


@pytest.mark.parametrize("limit", [0, 501, "many", None])
def test_a_limit_outside_1_to_500_is_a_422(call: Call, limit: Any) -> None:
    assert call("POST", "/api/audit/list", json={"limit": limit}).status_code == 422


def test_data_that_postgres_cannot_hold_is_a_422(call: Call, audit: MemoryAudit) -> None:
    audit.failure = EntryRefusedError("unsupported Unicode escape sequence")

    answer = call("POST", "/api/audit/push", json=ENTRY)

    assert answer.status_code == 422
    assert "unsupported Unicode" in answer.json()["_err"]


def test_a_body_above_the_limit_is_a_413(call: Call) -> None:
    body = json.dumps({**ENTRY, "details": "x" * MAX_BODY})

    assert call("POST", "/api/audit/push", content=body).status_code == 413


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, None),
        ({"details": "text"}, "text"),
        ({"details": {"a": 1}}, {"a": 1}),
        ({"timestamp": "2026-01-01T00:00:00Z"}, {"clientTimestamp": "2026-01-01T00:00:00Z"}),
        ({"details": "text", "timestamp": 5}, {"text": "text", "clientTimestamp": 5}),
        ({"details": {"a": 1}, "timestamp": 5}, {"a": 1, "clientTimestamp": 5}),
    ],
)
def test_a_callers_timestamp_is_kept_inside_the_details(given: dict[str, Any], kept: Any) -> None:
    text = AuditEntry.model_validate({**ENTRY, **given}).details_json()

    assert (None if text is None else json.loads(text)) == kept
