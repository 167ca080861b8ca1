"""The OpenAPI document: it is valid, lists every route of the API, and says the truth of their answers."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from fastapi.routing import APIRoute

from tests.support.memory_audit import Call, MemoryAudit
from webnext.alerts import routes as alerts
from webnext.app import OPENAPI
from webnext.audit import routes as audit
from webnext.envelope import MAX_BODY
from webnext.evidence import routes as evidence
from webnext.guardrails import routes as guardrails
from webnext.services import Services
from webnext.snapshot import routes as snapshot

NOUNS = (alerts, audit, evidence, guardrails, snapshot)
"""Those whose routers the application includes; what `webnext/app.py` adds itself is in STATUSES alone."""
REFUSED = {"400", "403", "413", "422"}
STATUSES = {
    ("get", "/api/healthz"): {"200"},
    ("post", "/api/audit/push"): {"200", "409", "503"} | REFUSED,
    ("post", "/api/audit/list"): {"200"} | REFUSED,
    ("post", "/api/signals"): {"200", "409", "503"} | REFUSED,
    ("post", "/api/evidence/zip"): {"200", "503"} | REFUSED,
    ("post", "/api/evidence/archive"): {"200", "404", "409", "503"} | REFUSED,
    ("get", "/api/alerts/dlq"): {"200", "422"},
    ("get", "/api/alerts/queue"): {"200"},
    ("post", "/api/alerts/queue"): {"200", "404", "503"} | REFUSED,
    ("post", "/api/alerts/webhook"): {"202", "503"} | REFUSED,
    ("get", "/api/guardrails/read"): {"200"},
    ("post", "/api/snapshot/export"): {"200"} | REFUSED,
}
POSTS = sorted(path for method, path in STATUSES if method == "post")


@pytest.fixture
def document(call: Call) -> Any:
    return call("GET", OPENAPI).json()


def operations(document: Any) -> dict[tuple[str, str], Any]:
    return {
        (method, path): operation
        for path, methods in document["paths"].items()
        if path.startswith("/api/")
        for method, operation in methods.items()
    }


def test_it_is_served_as_json_with_the_service_s_version(call: Call) -> None:
    answer = call("GET", OPENAPI)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.json()["info"]["version"] == "1.5.1"


def test_it_is_valid_openapi_3_1_and_every_schema_in_it_is_valid(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_a_document_that_is_not_valid_is_found(document: Any) -> None:
    document["paths"]["/api/audit/push"]["post"]["responses"] = []
    with pytest.raises(Exception, match="not of type"):
        schemathesis.openapi.from_dict(document).validate()


def test_it_lists_every_route_of_the_api(document: Any, services: Services) -> None:
    routes = {
        (method.lower(), route.path)
        for module in NOUNS
        for route in module.router(services).routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }

    assert routes
    assert routes <= operations(document).keys() == STATUSES.keys()


def test_it_says_which_statuses_each_route_answers_and_no_other(document: Any) -> None:
    assert {key: set(operation["responses"]) for key, operation in operations(document).items()} == STATUSES


def test_every_refusal_is_json_in_one_of_two_shapes_and_every_answer_has_a_trace_id(document: Any) -> None:
    for operation in operations(document).values():
        for status, response in operation["responses"].items():
            assert response["headers"]["X-Trace-ID"]["required"]
            if status >= "400":
                shape = "UnavailableAnswer" if status == "503" else "ErrorAnswer"
                reference = {"$ref": f"#/components/schemas/{shape}"}
                assert response["content"] == {"application/json": {"schema": reference}}


@pytest.mark.parametrize(("path", "model"), [("/api/audit/push", "AuditEntryV1"), ("/api/signals", "SignalData")])
def test_it_names_the_versioned_models(path: str, model: str, document: Any) -> None:
    body = document["paths"][path]["post"]["requestBody"]

    assert body["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{model}"}
    assert document["components"]["schemas"][model]["type"] == "object"
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_it_says_of_which_routes_an_empty_body_is_enough(document: Any, call: Call) -> None:
    needed = {path: document["paths"][path]["post"]["requestBody"]["required"] for path in POSTS}

    assert {path for path in POSTS if not needed[path]} == {"/api/audit/list", "/api/snapshot/export"}
    assert {path for path in POSTS if call("POST", path).status_code < 300} == {
        path for path in POSTS if not needed[path]
    }


@pytest.mark.parametrize("path", POSTS)
def test_every_refusal_that_it_promises_of_a_body_is_real(path: str, call: Call) -> None:
    refused = {
        400: call("POST", path, content="{"),
        403: call("POST", path, content="{}", headers={"sec-fetch-site": "cross-site"}),
        413: call("POST", path, content=b" " * (MAX_BODY + 1)),
        422: call("POST", path, content="[]"),
    }

    for status, answer in refused.items():
        assert (answer.status_code, answer.json().keys()) == (status, {"_err", "traceId"})
        assert answer.json()["traceId"] == answer.headers["x-trace-id"]


def test_the_503_that_it_promises_of_an_entry_is_real(call: Call, audit: MemoryAudit, document: Any) -> None:
    audit.go_away()
    answer = call("POST", "/api/audit/push", json={"action": "deploy", "result": "ok"})

    assert answer.status_code == 503
    shape = document["components"]["schemas"]["UnavailableAnswer"] | {"components": document["components"]}
    jsonschema_rs.validate(shape, answer.json())


@pytest.mark.parametrize(
    ("path", "allowed"), [("/api/alerts/queue", "GET, POST"), ("/api/audit/push", "POST"), ("/api/healthz", "GET")]
)
def test_a_method_that_it_does_not_list_is_refused_with_those_that_it_lists(
    path: str, allowed: str, call: Call
) -> None:
    for method in ("OPTIONS", "DELETE", "PATCH", "TRACE"):
        answer = call(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert answer.json().keys() == {"_err", "traceId"}


def number(value: str) -> str:
    return '{"timestamp":"2026-01-01T00:00:00Z","symbol":"BTC","audit":{"traceId":"t-1","buildSha":"s"},' + (
        f'"indicators":{{"ema_fast":{value},"ema_slow":1,"rsi":50,"atr":0}},'
        '"features":{"crossover":1,"momentum":-0.5,"volatility":0}}'
    )


@pytest.mark.parametrize("value", ["false", '"1"', "null", "NaN", "Infinity", "1e999"])
def test_what_is_no_number_is_not_read_as_one(value: str, call: Call) -> None:
    assert call("POST", "/api/signals", content=number(value)).status_code == 422


@pytest.mark.parametrize("value", ["0", "-1.5", "1.7e308"])
def test_every_number_that_json_has_is_one(value: str, call: Call) -> None:
    answer = call("POST", "/api/signals", content=number(value))

    assert answer.status_code == 200
    kept = call("POST", "/api/audit/list", content="").json()["items"][0]["details"]
    assert kept["indicators"]["ema_fast"] == json.loads(value)


@pytest.mark.parametrize(("limit", "status"), [("5", 200), ("5.0", 200), ('"5"', 422), ("true", 422), ("5.5", 422)])
def test_a_limit_is_a_whole_number(limit: str, status: int, call: Call) -> None:
    assert call("POST", "/api/audit/list", content=f'{{"limit":{limit}}}').status_code == status
