"""Spans as a collector receives them: a process of its own, because a tracer provider is set once for each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import fence
from tests.support.collector import Collector, collecting

ROOT = Path(__file__).parents[3]
PARENT = "0af7651916cd43dd8448eb211c80319c"
PAGE = "5e1f" * 8
"""A trace id as the edge makes them."""
PROCESS = f"""
import os
from tests.support.double import Client
from webnext import tracing
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.settings import Settings

settings = Settings(build_sha="4f2c1d9", version="1.5.1", environment="test")
services = services_for(settings)
tracing.configure(settings, services.vault)
with Client(create_app(services)) as client:
    headers = {{"x-trace-id": "page-1234", "traceparent": "00-{PARENT}-b7ad6b7169203331-01"}}
    client.request("POST", "/api/audit/list", json={{}}, headers=headers)
    client.request("GET", "/dashboard", headers={{"x-trace-id": "{PAGE}"}})
    client.request("GET", "/healthz", headers={{"x-trace-id": "not-32-hex"}})
    client.get("/nowhere/at/all")
os._exit(0)  # as a signal ends it
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def run(**environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        env=fence.ENVIRONMENT | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_spans_are_exported_by_the_tracer_web_next_before_its_process_ends(collector: Collector) -> None:
    run(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)

    assert len(collector.spans) == 4, "one for each request"
    listed = collector.named("POST /api/audit/list")
    assert (listed.tracer, listed.version) == ("web-next", "4f2c1d9")
    assert listed.attributes["web_next.trace_id"] == "page-1234"
    assert listed.attributes["http.response.status_code"] == "200"
    assert listed.resource["service.name"] == "web-next"
    assert listed.resource["deployment.environment.name"] == "test"


def test_a_trace_is_the_callers_else_has_the_id_that_people_copy_where_that_has_the_form_of_one(
    collector: Collector,
) -> None:
    run(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)

    assert collector.named("POST /api/audit/list").trace == PARENT
    assert collector.named("GET /dashboard").trace == PAGE
    assert collector.named("GET /healthz").attributes["web_next.trace_id"] == "not-32-hex"
    assert len({one.trace for one in collector.spans}) == 4


def test_a_path_that_no_route_takes_does_not_name_a_span(collector: Collector) -> None:
    run(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces")

    assert collector.named("GET other")
    assert not any("nowhere" in one.name for one in collector.spans)


def test_without_an_endpoint_nothing_is_exported(collector: Collector) -> None:
    run()

    assert collector.asked == 0
