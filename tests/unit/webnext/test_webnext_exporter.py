"""Spans on their way: with the vault's headers, which nobody else sees, and at no request's cost."""

from __future__ import annotations

import gc
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from tests.support.collector import Collector, collecting
from webnext import executor, exporter
from webnext.exporter import Exporter
from webnext.settings import Entry
from webnext.vault import TTL, Vault

KEY = "-".join(["s3cr3t", "key"])


class Put:
    """A vault and what it has of headers; None while it is away."""

    def __init__(self, text: str | None) -> None:
        self.text, self.now, self.reads = text, 0.0, 0
        self.vault = Vault("test/", lambda: self, lambda: self.now)

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        assert SecretId == "test/OTLP_HEADERS"
        self.reads += 1
        return {"SecretString": self.text} if self.text else {}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
        yield made


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.DEBUG)
    yield caplog
    assert KEY not in caplog.text


def lines(said: pytest.LogCaptureFixture) -> list[str]:
    """What web-next says, and what the library does."""
    return [one.getMessage() for one in said.records if one.name.startswith(("webnext", "opentelemetry"))]


def send(made: Exporter, times: int = 1) -> list[bool]:
    """Whether each of some exports of one span was taken."""
    provider = TracerProvider(shutdown_on_exit=False)
    span = provider.get_tracer("test").start_span("s")
    span.end()
    return [made.export([span]) is SpanExportResult.SUCCESS for _ in range(times)]  # type: ignore[list-item]


def test_spans_have_the_vaults_headers_as_they_are_by_now(collector: Collector) -> None:
    put = Put(f"api-key={KEY}, x-tenant=ours%20too")
    made = Exporter(put.vault)

    assert send(made, 3) == [True] * 3
    assert collector.spans[0].headers.items() >= {"api-key": KEY, "x-tenant": "ours too"}.items()
    assert put.reads == 1
    put.text, put.now = "api-key=another", TTL
    send(made)
    assert collector.spans[-1].headers["api-key"] == "another"
    assert "x-tenant" not in collector.spans[-1].headers


def test_without_an_entry_no_header_is_added_and_no_proxy_or_netrc_asked(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login somebody password {KEY}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name, value in {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.lower(), value)

    assert send(Exporter(None)) == [True]
    assert collector.spans[0].headers.keys() == {
        *("accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent")
    }


@pytest.mark.parametrize("status", [401, 403])
def test_headers_that_are_refused_are_told_once_by_name_and_asked_for_anew(
    collector: Collector, said: pytest.LogCaptureFixture, status: int
) -> None:
    put = Put(f"api-key={KEY}")
    made = Exporter(put.vault)
    collector.status = status

    assert send(made, 3) == [False] * 3
    collector.status = 200
    assert send(made, 2) == [True] * 2
    assert lines(said) == [
        f"spans are dropped, the collector at {collector.url}/v1/traces takes none: it answered {status}, "
        "put the headers that it takes into OTLP_HEADERS",
        "the collector takes spans again",
    ]
    assert put.reads == 4, "one for each refusal, and the last one is kept"


@pytest.mark.parametrize(
    "text",
    [KEY, f"api-key: {KEY}", f"api-key={KEY},", f"api-key={KEY},{KEY}", f"api-key={KEY}%0d%0ax:y", f"api-key={KEY}é"],
)
def test_what_is_no_list_of_headers_is_named_and_not_quoted(
    collector: Collector, said: pytest.LogCaptureFixture, text: str
) -> None:
    assert send(Exporter(Put(text).vault), 2) == [False] * 2
    (line,) = lines(said)
    assert line.endswith(
        "takes none: secret OTLP_HEADERS is no list of headers: it must be NAME=VALUE, with commas between several"
    )
    assert collector.asked == 0


def test_while_the_vault_has_no_headers_nothing_is_sent(collector: Collector, said: pytest.LogCaptureFixture) -> None:
    assert send(Exporter(Put(None).vault), 2) == [False] * 2
    (line,) = lines(said)
    assert line.endswith("takes none: secret test/OTLP_HEADERS holds no text: it must be put as SecretString")
    assert collector.asked == 0


def test_a_collector_that_is_not_there_is_told_once_with_what_began_it(
    monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setattr(exporter, "SECONDS", 0.1)

    assert send(Exporter(None), 3) == [False] * 3
    assert lines(said) == [
        f"spans are dropped, the collector at {address}/v1/traces takes none: [Errno 111] Connection refused"
    ]


def test_a_collector_that_hangs_is_given_up_and_costs_no_request_anything(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, said: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exporter, "SECONDS", 0.2)
    collector.go_on.clear()
    processor = BatchSpanProcessor(Exporter(None), max_queue_size=2048, schedule_delay_millis=1)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")

    slowest = 0.0
    gc.disable()  # what other tests left is no cost of a span
    try:
        for _ in range(5000):
            began = time.thread_time()
            tracer.start_span("s").end()
            slowest = max(slowest, time.thread_time() - began)
    finally:
        gc.enable()
    deadline = time.monotonic() + 10
    while not lines(said) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert slowest < 0.05
    assert len(processor._batch_processor._queue) <= 2048
    (line,) = lines(said)
    assert line.endswith("takes none: timed out")
    collector.go_on.set()
    processor.shutdown()  # type: ignore[no-untyped-call]


def test_the_secrets_that_not_every_vault_has_are_the_settings_own() -> None:
    assert {exporter.SECRET, executor.SECRET} == {*get_args(Entry)}
