"""Who answers for ever is given up on, whoever asks: the probe, the smoke suite, what asks for one track, the gates."""

from __future__ import annotations

import http.server
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

import httpx
import pytest

from cutover import bounded, prometheus
from cutover.bounded import Bounded
from cutover.errors import UnreachableError
from cutover.gates import probe as gates_probe
from cutover.gates.probe import Probed, probes
from cutover.prometheus import Prometheus
from cutover.rollout import pinned
from cutover.rollout.pinned import Pinned
from cutover.smoke import probe as smoke_probe
from cutover.smoke.pin import ANSWERED_BY_EDGE, ANSWERED_BY_TRACK, TRACK_HEADER
from cutover.smoke.probe import AwayError, Probe, Samples
from outputs.smoke import EdgeSummary
from tests.support.edge_double import TARGET
from tests.support.tls_edge import tls_edge


class Endless(http.server.BaseHTTPRequestHandler):
    """Says that all is well, and then goes on: a little every tenth of a second for half a minute as the candidate,
    nothing more as stable."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        track = self.headers.get(TRACK_HEADER, "candidate")
        self.send_response(200)
        self.send_header(ANSWERED_BY_EDGE, "edge-1")
        self.send_header(ANSWERED_BY_TRACK, track)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for _ in range(300):
                self.wfile.write(b"2\r\n{}\r\n" if track == "candidate" else b"0\r\n\r\n")
                if track == "stable":
                    return
                time.sleep(0.1)
        except OSError:
            pass

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeSummary]:
    with tls_edge(tmp_path_factory.mktemp("tls"), handler=Endless) as running:
        yield running


@pytest.fixture
def plain() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def test_a_candidate_that_answers_for_ever_has_not_answered(monkeypatch: pytest.MonkeyPatch, edge: EdgeSummary) -> None:
    monkeypatch.setattr(gates_probe, "SECONDS", 0.5)

    with within(5):
        seen = probes(edge)

    assert (seen.candidate, seen.stable.answered) == (Probed(answered=False), True)


def test_what_asks_for_one_track_does_not_listen_for_ever(monkeypatch: pytest.MonkeyPatch, edge: EdgeSummary) -> None:
    monkeypatch.setattr(pinned, "SECONDS", 0.5)

    with within(5):
        assert Pinned(edge, "candidate").answers() is None
        with pytest.raises(UnreachableError, match="candidate does not say what waits"):
            Pinned(edge, "candidate").undelivered()


def test_a_body_that_is_too_long_is_none(monkeypatch: pytest.MonkeyPatch, edge: EdgeSummary) -> None:
    monkeypatch.setattr(pinned, "MOST", 3)

    with within(5):
        assert Pinned(edge, "candidate").answers() is None


def test_the_smoke_suite_does_not_listen_for_ever(monkeypatch: pytest.MonkeyPatch, edge: EdgeSummary) -> None:
    monkeypatch.setattr(smoke_probe, "SECONDS", 0.5)

    target = replace(TARGET, edge=edge, track="candidate")
    with Probe.of(target, Samples()) as probe, within(5), pytest.raises(AwayError, match="the body does not end"):
        probe.send("GET", "/healthz")


def test_the_gates_do_not_listen_to_their_metrics_for_ever(monkeypatch: pytest.MonkeyPatch, plain: str) -> None:
    monkeypatch.setattr(prometheus, "SECONDS", 0.5)

    with Prometheus.at(plain) as asked, within(5), pytest.raises(UnreachableError, match="the body does not end"):
        asked.query("up")


Answer = Callable[[], httpx.Response]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda: httpx.Response(200, content=b"x" * 11), "more than 10 bytes"),
        (lambda: httpx.Response(200, content=b"x", headers={"content-encoding": "br"}), "nobody asked for that"),
    ],
)
def test_a_body_that_is_long_or_may_become_so_is_none(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, says: str
) -> None:
    monkeypatch.setattr(bounded, "MOST", 10)
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["accept-encoding"])
        return answer()

    with (
        httpx.Client(transport=Bounded(httpx.MockTransport(handle), 5)) as client,
        pytest.raises(httpx.ReadError, match=says),
    ):
        client.get("http://edge/")
    assert asked == ["identity"]


def test_a_body_within_its_bounds_is_what_was_sent(tmp_path: Path) -> None:
    sent = httpx.Response(201, json={"a": 1}, headers={"x-a": "b"})
    with httpx.Client(transport=Bounded(httpx.MockTransport(lambda _request: sent), 5)) as client:
        answer = client.get("http://edge/")

    assert (answer.status_code, answer.json(), answer.headers["x-a"]) == (201, {"a": 1}, "b")
