"""What nobody well-meaning sends: each is refused or only data, and the answer is headed and traced like any other.

FUZZ_URL=http://… asks a running web-next instead of one made here.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.sabotage import Change, Target, header, on, refusals, says, status, text
from tests.support.serving import served
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.envelope import MAX_BODY
from webnext.settings import Settings

pytestmark = pytest.mark.engine

POSTS = (
    "/api/audit/push",
    "/api/audit/list",
    "/api/signals",
    "/api/evidence/zip",
    "/api/evidence/archive",
    "/api/alerts/webhook",
    "/api/alerts/queue",
    "/api/snapshot/export",
)
SQL = (
    "'); DROP TABLE audit_log; --",
    "' OR '1'='1",
    "1; SELECT pg_sleep(10)",
    "$$; COPY audit_log TO PROGRAM 'id'; $$",
    "%(action)s %s {0} \\",
)
CLIMBS = ("../x", "..", "a/../b", "%2e%2e%2fx", "..\\x", "/etc/passwd", ".hidden", "a\x00b", "C:x", "a b", "ünï", "")
SMOKE = {"user-agent": "web-next-smoke injections", "x-web-next-traffic": "smoke"}
PROTOTYPES = ("__proto__", "constructor", "prototype", "__class__", "__dict__", "model_dump", "model_config", "toJSON")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    if running := os.environ.get("FUZZ_URL"):
        yield running
        return
    with served(create_app(services_for(Settings()))) as address:
        yield address


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers=SMOKE, timeout=30, trust_env=False) as client:
        yield client


def send(
    http: httpx.Client, method: str, path: str, content: str | bytes | None = None, **headers: str
) -> httpx.Response:
    """One answer that is headed and traced; a refusal has the contract's shape. Fails on any 5xx."""
    answer = http.request(method, path, content=content, headers=headers)
    assert answer.status_code < 500, answer.text
    trace = answer.headers["x-trace-id"]
    assert re.fullmatch(r"[A-Za-z0-9-]{8,64}", trace)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    if answer.status_code >= 400:
        refusal = answer.json()
        assert isinstance(refusal["_err"], str)
        assert refusal["traceId"] == trace
    return answer


def post(http: httpx.Client, path: str, body: Any, **headers: str) -> httpx.Response:
    return send(http, "POST", path, json.dumps(body), **headers)


def listed(http: httpx.Client, trace: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = post(http, "/api/audit/list", {"traceId": trace}).json()["items"]
    return items


def new_trace() -> str:
    return f"injection-{uuid.uuid4().hex}"


@pytest.mark.parametrize("evil", SQL)
def test_sql_in_an_entry_is_only_text(evil: str, http: httpx.Client) -> None:
    trace = new_trace()
    entry = {"action": evil, "result": "ok", "strategyId": evil, "details": {evil: evil, "list": [evil]}}

    assert post(http, "/api/audit/push", entry, **{"x-trace-id": trace}).status_code == 200
    (item,) = listed(http, trace)
    assert {key: item[key] for key in ("action", "strategyId", "details")} == {
        key: entry[key] for key in ("action", "strategyId", "details")
    }


@pytest.mark.parametrize("evil", SQL)
def test_sql_everywhere_else_finds_changes_and_opens_nothing(evil: str, http: httpx.Client) -> None:
    assert post(http, "/api/audit/push", {"action": "a", "result": evil}).status_code == 422
    assert post(http, "/api/audit/push", {"action": "a", "result": "ok", "version": evil}).status_code == 422
    assert listed(http, evil) == []
    assert post(http, "/api/audit/list", {"limit": evil}).status_code == 422
    assert post(http, "/api/evidence/zip", {"runId": evil}).status_code == 422
    assert post(http, "/api/evidence/archive", {"key": evil}).status_code == 422
    assert post(http, "/api/alerts/queue", {"action": evil}).status_code == 400
    assert post(http, "/api/alerts/queue", {"action": "retry", "jobId": evil}).status_code == 404
    assert post(http, "/api/alerts/webhook", {"title": evil, evil: evil}).status_code == 202
    assert post(http, "/api/snapshot/export", {"hours": evil}).status_code == 422
    assert post(http, "/api/audit/push", {"action": "a", "result": "ok"}, **{"idempotency-key": evil}).status_code in (
        200,
        422,
    )


@pytest.mark.parametrize("climb", CLIMBS)
def test_an_id_that_could_climb_is_refused(climb: str, http: httpx.Client) -> None:
    for name in ("runId", "jobId"):
        assert post(http, "/api/evidence/zip", {name: climb}).status_code == 422
        body = {"key": "evidence/run/object.zip", name: climb}
        assert post(http, "/api/evidence/archive", body).status_code == 422


@pytest.mark.parametrize("climb", CLIMBS)
def test_a_key_that_could_climb_is_refused(climb: str, http: httpx.Client) -> None:
    for key in (climb, f"evidence/{climb}", f"evidence/{climb}/object.zip", f"evidence/run/{climb}.zip/../../x"):
        assert post(http, "/api/evidence/archive", {"key": key}).status_code == 422, key


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/../../../../etc/passwd",
        "/dashboard/..%2f..%2f..%2fetc%2fpasswd",
        "/dashboard/%2e%2e/%2e%2e/etc/passwd",
        "/dashboard/..%5c..%5cetc%5cpasswd",
        "/dashboard/%00",
        "//etc/passwd",
        "/api/audit/list/../../../etc/passwd",
        "/api/%0d%0aX-Injected:%20yes",
        "/api/nowhere?next=%0d%0aX-Injected:%20yes",
        "/%c0%ae%c0%ae/etc/passwd",
    ],
)
def test_a_path_that_climbs_leads_nowhere(path: str, url: str) -> None:
    code, headers, body = raw(url, f"GET {path} HTTP/1.1\r\nHost: web-next\r\nConnection: close\r\n\r\n".encode())

    assert code == 404
    assert "x-injected" not in headers
    assert (headers["x-frame-options"], json.loads(body)["traceId"]) == ("DENY", headers["x-trace-id"])


def raw(url: str, request: bytes) -> tuple[int, dict[str, str], str]:
    """The status, headers and body that the server answers to these bytes."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    head, _, body = answer.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return (
        int(status.split()[1]),
        {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)},
        body,
    )


@pytest.mark.parametrize(
    "value",
    [b"evil-1234\rX-Injected: yes", b"evil-1234\nX-Injected: yes", b"evil-1234\x00", b"evil-\xff-1234", b"evil 1234"],
)
def test_a_trace_id_that_ends_a_line_never_comes_back(value: bytes, url: str) -> None:
    request = b"GET /api/nowhere HTTP/1.1\r\nHost: web-next\r\nConnection: close\r\nX-Trace-ID: " + value + b"\r\n\r\n"
    code, headers, _ = raw(url, request)

    assert code in (400, 404)
    assert "x-injected" not in headers
    assert "evil" not in headers.get("x-trace-id", "")


@pytest.mark.parametrize(
    "given", ["<script>alert(1)</script>", "a" * 65, "seven-7", "under_score", "ends-with-dot.", "é-12345678"]
)
def test_a_trace_id_that_is_none_is_replaced(given: str, http: httpx.Client) -> None:
    answer = http.get("/api/healthz", headers=[(b"x-trace-id", given.encode())])

    assert answer.headers["x-trace-id"] != given


def test_line_ends_in_data_stay_in_the_data(http: httpx.Client) -> None:
    trace, evil = new_trace(), "a\r\nSet-Cookie: x=1\r\n\r\n<html>"
    answer = post(http, "/api/audit/push", {"action": evil, "result": "ok", "details": evil}, **{"x-trace-id": trace})

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert [item["action"] for item in listed(http, trace)] == [evil]


@pytest.mark.parametrize("key", ["key with spaces", "k" * 201, "tab\there"])
def test_an_idempotency_key_that_is_none_is_refused(key: str, http: httpx.Client) -> None:
    assert post(http, "/api/audit/push", {"action": "a", "result": "ok"}, **{"idempotency-key": key}).status_code == 422


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", " =", "＝", "\n="])
def test_a_formula_in_an_entry_is_text_in_the_export(start: str, http: httpx.Client) -> None:
    evil = f'{start}HYPERLINK("http://x","y")|\' /C calc\'!A0'
    entry = {"action": evil, "result": "ok", "strategyId": evil, "details": evil, "traceId": evil}
    assert post(http, "/api/audit/push", entry).status_code == 200
    export = post(http, "/api/snapshot/export", {"format": "csv", "hours": 1})

    assert export.status_code == 200
    rows = [row for row in csv.reader(io.StringIO(export.text, newline="")) if row and not row[0].startswith("#")]
    cells = [cell for row in rows for cell in row]
    assert any("HYPERLINK" in cell for cell in cells)
    assert [cell for cell in cells if re.match(r"[\s＝]*[=+@＝]|\s*-\D", cell)] == []


DEEP = {
    "arrays": b"[" * 100_000,
    "closed arrays": b"[" * 50_000 + b"]" * 50_000,
    "objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "in details": b'{"action":"a","result":"ok","limit":1,"details":' + b"[" * 40_000 + b"]" * 40_000 + b"}",
    "a little too deep": b'{"details":' + b'{"a":' * 40 + b"1" + b"}" * 41,
    "digits": b'{"action":"a","result":"ok","limit":' + b"9" * 100_000 + b"}",
    "digits in an unknown key": b'{"x":' + b"9" * 100_000 + b"}",
    "exponent": b'{"limit":1e999999,"hours":1e999999,"sizeBytes":1e999999,"details":{"a":1e999999}}',
    "too large": b'{"x":"' + b"x" * MAX_BODY + b'"}',
}


@pytest.mark.parametrize("what", DEEP)
@pytest.mark.parametrize("path", POSTS)
def test_deep_and_huge_json_is_refused_or_read(path: str, what: str, http: httpx.Client) -> None:
    assert send(http, "POST", path, DEEP[what]).status_code in (200, 202, 400, 413, 422)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_json_has_no_number_for_is_never_kept(literal: str, http: httpx.Client) -> None:
    for path, body in {
        "/api/audit/push": f'{{"action":"a","result":"ok","details":{{"x":{literal}}}}}',
        "/api/audit/list": f'{{"limit":{literal}}}',
        "/api/evidence/zip": f'{{"runId":"r","sizeBytes":{literal}}}',
        "/api/evidence/archive": f'{{"key":"evidence/r/o.zip","metadata":{{"x":{literal}}}}}',
        "/api/alerts/queue": f'{{"action":"retry","jobId":{literal}}}',
        "/api/snapshot/export": f'{{"hours":{literal}}}',
    }.items():
        assert send(http, "POST", path, body).status_code in (400, 422), path
    alert = f'{{"title":"t","x":{literal}}}'
    assert send(http, "POST", "/api/alerts/webhook", alert).status_code == 202, "an alert is kept without it"


BROKEN = {
    "not UTF-8": b'{"action":"\xff\xfe","result":"ok"}',
    "overlong": b'{"action":"\xc0\xaf","result":"ok"}',
    "half a pair": b'{"action":"\\ud800","result":"ok","runId":"\\ud800","title":"\\ud800","key":"\\ud800"}',
    "NUL": b'{"action":"\\u0000","result":"ok","runId":"\\u0000","title":"\\u0000","key":"\\u0000"}',
    "bare NUL": b'{"action":"\x00"}',
    "comment": b'{"action":"a" /* ok */}',
    "comma": b'{"action":"a",}',
    "quotes": b"{'action':'a'}",
    "two documents": b'{"action":"a"}{"action":"b"}',
    "a form": b"action=a&result=ok",
    "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "compressed": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_json_text_is_refused(what: str, http: httpx.Client) -> None:
    for path in ("/api/audit/push", "/api/evidence/zip", "/api/evidence/archive"):
        assert send(http, "POST", path, BROKEN[what]).status_code in (400, 422), path
    converted = what in ("half a pair", "NUL")  # what is JSON and no text in it that could be kept
    alert = send(http, "POST", "/api/alerts/webhook", BROKEN[what]).status_code
    assert alert == 202 if converted else alert in (400, 422)
    for path in POSTS:
        send(http, "POST", path, BROKEN[what])


def test_of_a_key_that_comes_twice_the_last_counts_everywhere(http: httpx.Client) -> None:
    trace = new_trace()
    headers = {"x-trace-id": trace}
    assert (
        send(http, "POST", "/api/audit/push", '{"action":"a","action":"b","result":"ok"}', **headers).status_code == 200
    )
    assert [item["action"] for item in listed(http, trace)] == ["b"]
    assert send(http, "POST", "/api/audit/push", '{"action":"a","result":"ok","result":"no"}').status_code == 422


@pytest.mark.parametrize("name", PROTOTYPES)
def test_names_of_prototypes_are_only_keys(name: str, http: httpx.Client) -> None:
    trace = new_trace()
    details = {name: {"admin": True}, "nested": {name: [name]}}
    entry = {"action": "a", "result": "ok", name: {"admin": True}, "details": details}

    assert post(http, "/api/audit/push", entry, **{"x-trace-id": trace}).status_code == 200
    (item,) = listed(http, trace)
    assert item["details"] == details
    assert post(http, "/api/alerts/webhook", {name: {"admin": True}, "title": "t"}).status_code == 202
    assert post(http, "/api/alerts/webhook", {name: "text"}).status_code == 202
    assert post(http, "/api/alerts/queue", {name: {"action": "purge_dlq"}}).status_code == 400
    assert "admin" not in send(http, "GET", "/api/healthz").json()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "LINK"])
def test_a_method_that_a_route_has_not_is_a_405(method: str, http: httpx.Client) -> None:
    for path in (*POSTS, "/api/healthz", "/api/guardrails/read"):
        assert send(http, method, path).status_code == 405
    assert "x-secret" not in send(http, method, "/api/healthz", **{"x-secret": "echo"}).text


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method", "_method"])
def test_a_method_is_not_overridden_by_a_header(name: str, http: httpx.Client) -> None:
    assert send(http, "GET", f"/api/audit/push?{name}=POST", **{name: "POST"}).status_code == 405
    assert send(http, "POST", "/api/healthz", "{}", **{name: "GET"}).status_code == 405


def test_a_page_of_another_origin_may_send_nothing(http: httpx.Client) -> None:
    for path in POSTS:
        for said in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
        ):
            assert post(http, path, {}, **said).status_code == 403


def test_no_origin_is_let_in(http: httpx.Client) -> None:
    for method, path in (("GET", "/api/healthz"), ("OPTIONS", "/api/audit/push")):
        headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        assert not [name for name in send(http, method, path, **headers).headers if name.startswith("access-control")]


@pytest.mark.parametrize("name", ["host", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-original-url"])
def test_what_a_caller_says_of_the_host_is_not_repeated(name: str, http: httpx.Client) -> None:
    answer = send(http, "GET", "/", **{name: "evil.example"})

    assert (answer.status_code, answer.headers["location"]) == (307, "/dashboard")
    assert "evil" not in send(http, "GET", "/api/nowhere", **{name: "evil.example"}).text


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("POST /api/audit/push HTTP/1.1", ("Content-Length: 5", "Transfer-Encoding: chunked")),
        ("POST /api/audit/push HTTP/1.1", ("Content-Length: -1",)),
        ("POST /api/audit/push HTTP/1.1", ("Content-Length: 1", "Content-Length: 2")),
        ("GET /api/healthz HTTP/1.1", ("X-Bad : y",)),
        ("MADEUP /api/healthz HTTP/1.1", ("Connection: close",)),
        ("GET /api/healthz HTTP/9.9", ()),
    ],
)
def test_a_request_of_two_readings_is_refused(line: str, headers: tuple[str, ...], url: str) -> None:
    code, _, _ = raw(url, "\r\n".join([line, "Host: web-next", *headers, "", "0", "", ""]).encode())

    assert 400 <= code < 500


@pytest.fixture(scope="module")
def broken() -> Iterator[Target]:
    target = Target(create_app(services_for(Settings())))
    with served(target) as target.url:
        yield target


@pytest.mark.parametrize(
    "change",
    [
        status(500),
        header("x-trace-id", None),
        header("content-security-policy", None),
        refusals(says({"_err": "no", "traceId": "another-1234"})),
        refusals(header("x-frame-options", None)),
    ],
)
def test_an_answer_that_is_not_headed_or_traced_is_found(change: Change, broken: Target) -> None:
    broken.change = change
    with httpx.Client(base_url=broken.url, trust_env=False) as http, pytest.raises((AssertionError, KeyError)):
        send(http, "GET", "/api/nowhere")


def test_a_formula_that_is_left_in_the_export_is_found(broken: Target) -> None:
    broken.change = on("/api/snapshot/export", text("'(?=[=+@])", ""))
    with httpx.Client(base_url=broken.url, trust_env=False) as http, pytest.raises(AssertionError, match="HYPERLINK"):
        test_a_formula_in_an_entry_is_text_in_the_export("=", http)


def test_the_service_is_as_well_as_before(http: httpx.Client) -> None:
    assert send(http, "GET", "/api/healthz").json()["ok"] is True
    assert post(http, "/api/audit/push", {"action": "a", "result": "ok"}).status_code == 200
    assert post(http, "/api/audit/list", {"limit": 1}).json()["items"]
