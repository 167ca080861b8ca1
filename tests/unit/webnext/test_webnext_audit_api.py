from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any, get_args

import httpx
import pytest

from tests.support.memory_audit import Call, MemoryAudit
from webnext.app import create_app
from webnext.audit.own import Action, own_key
from webnext.audit.production import ProductionAudit
from webnext.audit.row import UnstorableError
from webnext.contract.audit import AuditEntryV1
from webnext.contract.base import MAX_DETAILS
from webnext.dependency import AwayError
from webnext.executor import Executor
from webnext.postgres import Postgres
from webnext.services import KeyReusedError, Services
from webnext.vault import Vault

ENTRY: dict[str, Any] = {"action": "deploy", "result": "ok"}
SIGNAL = {
    "timestamp": "2026-01-01T00:00:00Z",
    "symbol": "BTC",
    "indicators": {"ema_fast": 1, "ema_slow": 1, "rsi": 1, "atr": 1},
    "features": {"crossover": 1, "momentum": 1, "volatility": 1},
    "audit": {"traceId": "t", "buildSha": "b"},
}


def test_an_entry_is_stored_and_its_id_returned(call: Call, audit: MemoryAudit) -> None:
    answer = call("POST", "/api/audit/push", json={**ENTRY, "strategyId": "s-1", "details": {"a": [1]}})

    assert (answer.status_code, answer.json()) == (200, {"ok": True, "id": 1})
    assert answer.headers["content-type"] == "application/json"
    assert audit.rows[0].strategyId == "s-1"
    assert audit.rows[0].details == {"a": [1]}


def test_the_list_is_newest_first_and_no_longer_than_asked(call: Call) -> None:
    for action in ("first", "second", "third"):
        call("POST", "/api/audit/push", json={"action": action, "result": "ok"})

    answer = call("POST", "/api/audit/list", json={"limit": 2}).json()

    assert answer["_mock"] is False
    assert [item["action"] for item in answer["items"]] == ["third", "second"]


def test_a_list_without_a_body_has_the_default_length(call: Call) -> None:
    assert call("POST", "/api/audit/list").json() == {"_mock": False, "items": []}


def test_an_entry_that_nothing_can_keep_is_a_503_that_says_so(call: Call, audit: MemoryAudit) -> None:
    audit.go_away()

    answer = call("POST", "/api/audit/push", json=ENTRY)

    assert answer.status_code == 503
    assert answer.json() == {
        "ok": False,
        "_err": "postgres: connection refused",
        "_mock": True,
        "traceId": answer.headers["x-trace-id"],
    }
    assert int(answer.headers["retry-after"]) > 0
    assert audit.rows == []


def test_the_callers_idempotency_key_goes_with_the_entry(call: Call, audit: MemoryAudit) -> None:
    call("POST", "/api/audit/push", json=ENTRY, headers={"idempotency-key": "order-17/a"})
    call("POST", "/api/audit/push", json=ENTRY)

    assert audit.sent_keys == ["order-17/a", None]


@pytest.mark.parametrize("key", ["", "with space", "x" * 201, "tab\there", own_key("auto-pause:b-1"), own_key("")])
def test_a_key_that_is_none_is_a_422(call: Call, audit: MemoryAudit, key: str) -> None:
    answer = call("POST", "/api/audit/push", json=ENTRY, headers={"idempotency-key": key})

    assert answer.status_code == 422
    assert "idempotency-key" in answer.json()["_err"].lower()
    assert audit.rows == []


@pytest.mark.parametrize("action", get_args(Action))
def test_an_action_of_web_nexts_own_is_refused(call: Call, audit: MemoryAudit, action: str) -> None:
    answer = call("POST", "/api/audit/push", json=ENTRY | {"action": action})

    assert (answer.status_code, answer.json()["_err"]) == (
        422,
        f"action: {action} is kept for what web-next itself does",
    )
    assert audit.rows == []


INVISIBLE = "\u200b\ufe0f\u034f\u3164\u115f\u2800\u17b4\U000e0100\u00ad\u2028 \n"
"""Of every kind: format letters, variation selectors, joiners, fillers, the empty pattern of Braille, blanks."""


@pytest.mark.parametrize(
    "action",
    [
        "Auto_Pause",
        "ａｕｔｏ＿ｐａｕｓｅ",
        "auto_pauſe",
        *(f"auto_pause{letter}" for letter in INVISIBLE),
        *(f"{letter}auto{letter}_pause" for letter in INVISIBLE),
    ],
    ids=ascii,
)
def test_an_action_that_reads_as_web_nexts_own_is_refused_too(call: Call, action: str) -> None:
    answer = call("POST", "/api/audit/push", json=ENTRY | {"action": action})

    assert (answer.status_code, answer.json()["_err"][:18]) == (422, "action: auto_pause")


@pytest.mark.parametrize(("peer", "seen"), [("127.0.0.1", "198.51.100.7"), ("203.0.113.9", "203.0.113.9")])
@pytest.mark.parametrize("path", ["/api/audit/push", "/api/signals"])
def test_an_entry_says_by_whom_it_is_as_the_edge_saw_it(services: Services, path: str, peer: str, seen: str) -> None:
    """Whatever a caller writes, and whoever is no edge."""
    body = ENTRY | {"actor": "web-next", "details": {"actor": "web-next"}} if path == "/api/audit/push" else SIGNAL

    async def push() -> Any:
        transport = httpx.ASGITransport(create_app(services), client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
            told = {"x-real-ip": "198.51.100.7", "x-forwarded-for": "192.0.2.1", "x-actor": "web-next"}
            assert (await client.post(path, json=body, headers=told)).status_code == 200
            return (await client.post("/api/audit/list")).json()["items"][0]

    assert asyncio.run(push())["actor"] == seen


@pytest.mark.parametrize("told", ["", "web-next", "é", "198.51.100.7, 192.0.2.1"])
def test_what_is_no_address_is_nobodys(call: Call, audit: MemoryAudit, told: str) -> None:
    call("POST", "/api/audit/push", json=ENTRY, headers=[(b"x-real-ip", told.encode("latin-1"))])

    assert audit.rows[0].actor == "127.0.0.1"


@pytest.mark.parametrize(
    "key", ["acceptedAt", "AcceptedAT", "ａcceptedAt", *(f"accepted{letter}At" for letter in INVISIBLE)], ids=ascii
)
def test_the_mark_of_entries_that_waited_is_refused(call: Call, audit: MemoryAudit, key: str) -> None:
    answer = call("POST", "/api/audit/push", json=ENTRY | {"details": {"a": 1, key: "2020-01-01T00:00:00Z"}})

    assert (answer.status_code, answer.json()["_err"]) == (
        422,
        "details: acceptedAt is kept for entries that web-next held back",
    )
    assert call("POST", "/api/audit/push", json=ENTRY | {"details": {"in": {"acceptedAt": 1}}}).status_code == 200
    assert len(audit.rows) == 1


def test_another_entrys_key_is_a_409(call: Call, audit: MemoryAudit) -> None:
    audit.failure = KeyReusedError("the idempotency key has already made another entry")

    answer = call("POST", "/api/audit/push", json=ENTRY, headers={"idempotency-key": "taken"})

    assert answer.status_code == 409
    assert answer.json() == {"_err": str(audit.failure), "traceId": answer.headers["x-trace-id"]}


def test_data_that_postgres_cannot_hold_is_a_422(call: Call, audit: MemoryAudit) -> None:
    audit.failure = UnstorableError("unsupported Unicode escape sequence")

    answer = call("POST", "/api/audit/push", json=ENTRY)

    assert answer.status_code == 422
    assert "unsupported Unicode" in answer.json()["_err"]


def test_what_nobody_foresaw_is_a_json_500(call: Call, audit: MemoryAudit) -> None:
    audit.failure = RuntimeError("boom")

    answer = call("POST", "/api/audit/push", json=ENTRY)

    assert (answer.status_code, answer.json()["_err"]) == (500, "internal error")


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 10_000])
def test_a_body_that_is_not_json_is_a_400(call: Call, body: bytes) -> None:
    answer = call("POST", "/api/audit/push", content=body)

    assert answer.status_code == 400
    assert answer.json() == {"_err": answer.json()["_err"], "traceId": answer.headers["x-trace-id"]}


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


@pytest.mark.parametrize(
    "details", [rb'{"x": "\u0000"}', rb'{"x": "\ud800"}', b'{"x": NaN}', b'{"x": 1e999}', b"[" * 40 + b"]" * 40]
)
def test_details_that_jsonb_has_no_place_for_are_a_422(call: Call, audit: MemoryAudit, details: bytes) -> None:
    body = b'{"action": "a", "result": "ok", "details": {"in": ' + details + b"}}"

    assert call("POST", "/api/audit/push", content=body).status_code == 422
    assert audit.rows == []


def test_details_may_have_16_kib_as_json(call: Call, audit: MemoryAudit) -> None:
    answer = call("POST", "/api/audit/push", json={**ENTRY, "details": {"é": "x" * (MAX_DETAILS - 9)}})

    assert answer.status_code == 200
    assert audit.rows[0].details == {"é": "x" * (MAX_DETAILS - 9)}


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ({"details": "x" * MAX_DETAILS}, MAX_DETAILS + 2),
        ({"details": {"é": "x" * (MAX_DETAILS - 8)}}, MAX_DETAILS + 1),
        ({"details": {"in": [[]] * 5_900}}, 5_900 * 3 + 8),
        ({"timestamp": "x" * MAX_DETAILS}, MAX_DETAILS + 22),
        ({"details": {"a": 1}, "timestamp": "x" * MAX_DETAILS}, MAX_DETAILS + 28),
    ],
)
def test_larger_details_are_a_422_that_says_how_large_they_may_be(
    call: Call, audit: MemoryAudit, given: dict[str, Any], size: int
) -> None:
    answer = call("POST", "/api/audit/push", json=ENTRY | given)

    assert answer.status_code == 422
    assert answer.json() == {
        "_err": f"details: {size} bytes as JSON, 16384 at most; upload more as evidence",
        "traceId": answer.headers["x-trace-id"],
    }
    assert audit.rows == []


def test_json_in_another_encoding_is_read_as_well(call: Call, audit: MemoryAudit) -> None:
    body = json.dumps({**ENTRY, "details": "grün"}, ensure_ascii=False)

    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert call("POST", "/api/audit/push", content=body.encode(encoding)).status_code == 200
    assert [row.details for row in audit.rows] == ["grün"] * 3


@pytest.mark.parametrize("limit", [0, 501, "many", None])
def test_a_limit_outside_1_to_500_is_a_422(call: Call, limit: Any) -> None:
    assert call("POST", "/api/audit/list", json={"limit": limit}).status_code == 422


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_pushes(call: Call, audit: MemoryAudit, method: str) -> None:
    assert call(method, "/api/audit/push", json=ENTRY).status_code == 405
    assert audit.rows == []


def test_the_documentation_of_push_says_what_it_takes_and_answers(call: Call) -> None:
    push = call("GET", "/api/openapi.json").json()["paths"]["/api/audit/push"]["post"]

    assert push["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/AuditEntryV1")
    assert [parameter["name"].lower() for parameter in push["parameters"]] == ["idempotency-key"]
    assert {"200", "400", "403", "409", "413", "422", "503"} <= push["responses"].keys()


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
    assert AuditEntryV1.model_validate({**ENTRY, **given}).stored_details == kept


def test_a_key_that_the_executor_knows_of_another_entry_is_refused_and_nothing_is_put_down_under_it() -> None:
    executor = Executor("http://executor", httpx.MockTransport(lambda _: httpx.Response(409, json={})))
    log, put = ProductionAudit(Postgres(Vault("test/", dict)), executor, None), list[Any]()

    async def away(*_: Any) -> Any:
        raise AwayError("postgres", "connection refused")

    async def put_down(*given: Any) -> None:
        put.append(given)

    log._writer = SimpleNamespace(append=away)  # type: ignore[assignment]
    log._spool = SimpleNamespace(put=put_down)  # type: ignore[assignment]
    with pytest.raises(KeyReusedError):
        asyncio.run(log.append(AuditEntryV1.model_validate(ENTRY), "trace-0001", "taken"))
    assert put == []


def test_a_key_that_web_next_makes_is_none_that_a_caller_can_send(call: Call) -> None:
    """Whoever lists what the executor holds sees the keys of what waits there."""

    class Away:
        async def append(self, *_: Any) -> Any:
            raise AwayError("postgres", "connection refused")

    async def keep() -> str:
        executor = Executor("http://executor", httpx.MockTransport(lambda _: httpx.Response(200, json={"ok": True})))
        log = ProductionAudit(Postgres(Vault("test/", Away)), executor, None)
        log._writer = Away()  # type: ignore[assignment]
        return str((await log.append(AuditEntryV1.model_validate(ENTRY), "trace-0001")).id)

    made = asyncio.run(keep())
    assert call("POST", "/api/audit/push", json=ENTRY, headers={"idempotency-key": made}).status_code == 422
