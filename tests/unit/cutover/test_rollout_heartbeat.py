"""The heartbeat's port: the watch's ticks do not hang on who asks it, nor on how many, and it tells one asker alone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from cutover.rollout import heartbeat as module
from cutover.rollout.heartbeat import Heartbeat
from cutover.rollout.watch import Watch
from tests.support.half_requests import HALF, half_requests

STRANGER = "127.0.0.2"


class Ticking:
    """A watch in a thread that ticks all the time and tells its heartbeat to 127.0.0.1 alone."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self._ticked = threading.Semaphore(0)
        heartbeat = Heartbeat()
        self._stop = heartbeat.serve("127.0.0.1", self.port, asker="127.0.0.1")
        self._watch = Watch(tick=self._ticked.release, heartbeat=heartbeat, say=lambda _: None, seconds=0.01)
        self._thread = threading.Thread(target=self._watch.run)
        self._thread.start()

    def require_ticks(self, many: int = 20) -> None:
        """Waits for that many from now on."""
        while self._ticked.acquire(blocking=False):
            pass
        assert all(self._ticked.acquire(timeout=5) for _ in range(many)), "the ticks stand still"

    def scraped(self) -> str:
        return httpx.get(f"http://127.0.0.1:{self.port}/metrics", trust_env=False, timeout=10).text

    def end(self) -> None:
        self._watch.end()
        self._thread.join(5)
        self._stop()


@pytest.fixture(scope="module")
def ticking() -> Iterator[Ticking]:
    ticking = Ticking()
    yield ticking
    ticking.end()


@pytest.mark.parametrize("source", [STRANGER, "127.0.0.1"])
def test_four_hundred_half_requests_have_one_thread_and_the_ticks_go_on(
    ticking: Ticking, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.Handler, "timeout", 0.1)
    before = threading.active_count()
    with half_requests(ticking.port, 400, source):
        ticking.require_ticks()
        assert threading.active_count() <= before
    assert "web_next_rollout_phase_on" in ticking.scraped(), "a scrape is answered in seconds"


def test_a_scrape_is_answered_while_strangers_ask(ticking: Ticking) -> None:
    with half_requests(ticking.port, 400, STRANGER):
        assert "web_next_rollout_phase_on" in ticking.scraped()


def test_a_stranger_is_told_nothing(ticking: Ticking) -> None:
    with (
        httpx.Client(transport=httpx.HTTPTransport(local_address=STRANGER)) as stranger,
        pytest.raises(httpx.TransportError),
    ):
        stranger.get(f"http://127.0.0.1:{ticking.port}/metrics")


def test_a_half_request_holds_the_next_scrape_for_two_seconds_and_is_no_line_of_the_log(
    ticking: Ticking, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert module.Handler.timeout == 2
    monkeypatch.setattr(module.Handler, "timeout", 0.1)
    with socket.create_connection(("127.0.0.1", ticking.port)) as half:
        half.sendall(HALF)
        assert "web_next_rollout_phase_on" in ticking.scraped()
    assert capfd.readouterr() == ("", "")
