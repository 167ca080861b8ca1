from __future__ import annotations

import asyncio
import json
import logging
from ipaddress import ip_network

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.types import ASGIApp

from tests.support.memory_audit import Call, MemoryAudit
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.envelope import MAX_BODY
from webnext.settings import Settings

ENTRY = b'{"action": "a", "result": "ok"}'


@pytest.fixture(scope="module")
def app() -> ASGIApp:
    peers = (ip_network(EDGE), ip_network("10.1.0.0/16"))
    return create_app(services_for(Settings(edge_peers=peers)))


def count(route: str, status: int, method: str = "POST", traffic: str = "user") -> float:
    labels = {"route": route, "method": method, "status": str(status), "traffic": traffic}
    return REGISTRY.get_sample_value("web_next_http_request_duration_seconds_count", labels) or 0


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "x"]
)
def test_a_body_is_json_whatever_its_content_type_says(call: Call, content_type: str | None) -> None:
    headers = {"content-type": content_type} if content_type else {}

    assert call("POST", "/api/audit/push", content=ENTRY, headers=headers).status_code == 200


def test_an_empty_body_is_an_empty_object(call: Call) -> None:
    assert call("POST", "/api/audit/list").status_code == 200


def test_a_body_above_the_limit_is_refused_and_one_at_the_limit_is_read(call: Call, audit: MemoryAudit) -> None:
    refused = call("POST", "/api/audit/push", content=ENTRY.ljust(MAX_BODY + 1))
    taken = call("POST", "/api/audit/push", content=ENTRY.ljust(MAX_BODY))

    assert (refused.status_code, taken.status_code) == (413, 200)
    assert refused.json() == {
        "_err": f"body is larger than {MAX_BODY} bytes",
        "traceId": refused.headers["x-trace-id"],
    }
    assert len(audit.rows) == 1


OWN, SIBLING = "http://web-next", "https://evil.web-next"
BY_EDGE = {"x-forwarded-proto": "https"}


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": OWN}, 200),
        ({"origin": "https://WEB-NEXT", **BY_EDGE}, 200),
        ({"origin": "https://web-next:8452", "host": "web-next:8452", **BY_EDGE}, 200),
        ({"origin": "https://[::1]:8452", "host": "[::1]:8452", **BY_EDGE}, 200),
        ({"origin": OWN, **BY_EDGE}, 403),
        ({"origin": "https://web-next"}, 403),
        ({"origin": "https://web-next:1", **BY_EDGE}, 403),
        ({"origin": "https://web-next:1", "host": "web-next:8452", **BY_EDGE}, 403),
        ({"origin": "https://web-next", "host": "web-next:8452", **BY_EDGE}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "origin": SIBLING}, 403),
        ({"sec-fetch-site": "same-site", "origin": OWN}, 403),
        ({"sec-fetch-site": "same-origin", "origin": SIBLING}, 403),
        ({"sec-fetch-site": ""}, 403),
        ({"sec-fetch-site": "Same-Origin"}, 403),
        *(
            ({"origin": origin}, 403)
            for origin in (SIBLING, "null", "", "http://web-next.evil", "http://web-next@evil", "http://[", "web-next")
        ),
        ({"origin": "http://web-next:1", "host": "web-next:2"}, 403),
        ({"origin": "http://web-next", "host": ""}, 403),
    ],
)
def test_a_page_of_another_origin_may_change_nothing(
    call: Call, audit: MemoryAudit, said: dict[str, str], status: int
) -> None:
    answer = call("POST", "/api/audit/push", content=ENTRY, headers=said)

    assert answer.status_code == status
    assert len(audit.rows) == (status == 200)
    assert call("GET", "/api/healthz", headers=said).status_code == 200


def test_requests_are_counted_by_the_routes_template_and_strangers_paths_make_no_series(call: Call) -> None:
    before, other = count("/api/audit/list", 200), count("other", 404, method="")

    call("POST", "/api/audit/list?x=1")
    call("GET", "/a/b/c")
    call("GET", "/a/b/d")

    assert count("/api/audit/list", 200) == before + 1
    assert count("other", 404, method="") == other + 2
    assert (
        REGISTRY.get_sample_value(
            "web_next_http_request_duration_seconds_count",
            {"route": "/a/b/c", "method": "GET", "status": "404", "traffic": "user"},
        )
        is None
    )


EDGE, STRANGER, LOOPBACK = "10.0.0.7", "10.0.0.8", "127.0.0.1"


@pytest.mark.parametrize(
    ("path", "peer", "headers", "traffic"),
    [
        ("/api/healthz", EDGE, {"x-web-next-traffic": "smoke"}, "smoke"),
        ("/api/healthz", EDGE, {"x-web-next-traffic": "health"}, "health"),
        ("/healthz", EDGE, {"x-web-next-traffic": "user"}, "user"),
        ("/healthz", EDGE, {"x-web-next-traffic": "nobody"}, "user"),
        ("/healthz", EDGE, {}, "user"),
        ("/api/healthz", "10.1.255.255", {"x-web-next-traffic": "smoke"}, "smoke"),
        ("/api/healthz", STRANGER, {"x-web-next-traffic": "smoke"}, "user"),
        ("/healthz", STRANGER, {"x-web-next-traffic": "health"}, "user"),
        ("/healthz", LOOPBACK, {}, "health"),
        ("/healthz", LOOPBACK, {"x-web-next-traffic": "smoke"}, "user"),
        ("/api/healthz", LOOPBACK, {}, "user"),
        ("/api/healthz", "a socket's name", {"x-web-next-traffic": "smoke"}, "user"),
        ("/api/healthz", EDGE, {"user-agent": "web-next-smoke"}, "user"),
        ("/api/healthz", EDGE, {"user-agent": "web-next-smoke", "x-forwarded-for": LOOPBACK}, "user"),
    ],
)
def test_the_edge_alone_is_believed_whose_a_request_is(
    app: ASGIApp, path: str, peer: str, headers: dict[str, str], traffic: str
) -> None:
    before = {kind: count(path, 200, "GET", kind) for kind in ("user", "smoke", "health")}

    async def ask() -> int:
        transport = httpx.ASGITransport(app, client=(peer, 40_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
            return (await client.get(path, headers=headers)).status_code

    assert asyncio.run(ask()) == 200
    assert {kind for kind, value in before.items() if count(path, 200, "GET", kind) != value} == {traffic}


def test_the_histograms_bounds_are_the_limits_of_the_gates() -> None:
    bounds = {
        sample.labels["le"]
        for metric in REGISTRY.collect()
        if metric.name == "web_next_http_request_duration_seconds"
        for sample in metric.samples
        if sample.name.endswith("_bucket")
    }
    assert {"0.1", "1.2", "1.5"} <= bounds


def test_each_request_is_one_line_in_the_log_with_its_trace_id(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="webnext.http"):
        call("POST", "/api/audit/list", headers={"x-trace-id": "page-1234"})
        call("GET", "/healthz")

    [line] = [record for record in caplog.records if record.name == "webnext.http"]
    fields = line.fields  # type: ignore[attr-defined]
    assert (fields["method"], fields["path"], fields["status"]) == ("POST", "/api/audit/list", 200)
    assert json.dumps(fields)


def test_the_root_leads_to_the_dashboard_with_all_headers(call: Call) -> None:
    for method in ("GET", "HEAD"):
        answer = call(method, "/")
        assert (answer.status_code, answer.headers["location"]) == (307, "/dashboard")
        assert answer.headers["x-frame-options"] == "DENY"
