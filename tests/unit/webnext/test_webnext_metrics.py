"""The metrics' port: whoever begins requests and never ends them takes little memory, and no scrape from others."""

from __future__ import annotations

import socket
import threading

import httpx
import pytest

from tests.support.half_requests import HALF, half_requests
from webnext import metrics
from webnext.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # the port of a process stays open


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    metrics.serve(Settings(metrics_port=port), "app")
    return port


def scraped(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=10).text


def test_four_hundred_half_requests_have_a_few_threads_and_a_scrape_is_answered(port: int) -> None:
    before = threading.active_count()
    with half_requests(port, 400):
        assert "web_next_build_info{" in scraped(port)
        assert threading.active_count() <= before + metrics.ASKERS


def test_the_oldest_goes_for_a_newer_one(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as first, half_requests(port, metrics.ASKERS):
        first.sendall(HALF)
        first.settimeout(5)
        assert first.recv(1) == b""


def test_who_says_nothing_more_is_waited_for_two_seconds_and_is_no_line_of_the_log(
    port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert metrics.Handler.timeout == 2
    monkeypatch.setattr(metrics.Handler, "timeout", 0.1)
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(HALF)
        half.settimeout(5)
        assert half.recv(1) == b""
    assert capfd.readouterr() == ("", "")
