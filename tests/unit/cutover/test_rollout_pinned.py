"""Whether a track's release is there, by what an edge or a balancer says of it; and what waits that it has accepted."""

from __future__ import annotations

import http.server
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from cutover.errors import UnreachableError
from cutover.rollout import pinned
from cutover.rollout.pinned import Pinned
from cutover.smoke.pin import ANSWERED_BY_TRACK
from outputs.smoke import EdgeSummary
from tests.support.tls_edge import tls_edge


@dataclass
class Says:
    """What is answered, in a track's name or in nobody's."""

    status: int = 200
    track: str | None = "candidate"
    body: bytes = b""
    after: float = 0.0


class Told(http.server.BaseHTTPRequestHandler):
    says = Says()

    def do_GET(self) -> None:
        time.sleep(self.says.after)
        self.send_response(self.says.status)
        if self.says.track:
            self.send_header(ANSWERED_BY_TRACK, self.says.track)
        self.send_header("content-length", str(len(self.says.body)))
        self.end_headers()
        self.wfile.write(self.says.body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeSummary]:
    with tls_edge(tmp_path_factory.mktemp("tls"), handler=Told) as running:
        yield running


def told(monkeypatch: pytest.MonkeyPatch, edge: EdgeSummary, says: Says) -> Pinned:
    monkeypatch.setattr(Told, "says", says)
    return Pinned(edge, "candidate")


@pytest.mark.parametrize(
    ("says", "there"),
    [
        (Says(200), True),
        (Says(502), False),
        (Says(503), False),
        (Says(504), None),
        (Says(500), None),
        (Says(200, track="stable"), None),
        (Says(503, track="stable"), None),
        (Says(200, track=None), None),
        (Says(404, track=None), None),
        (Says(502, track=None, body=b"<html>"), False),
        (Says(503, track=None, body=b"<html>"), False),
        (Says(504, track=None, body=b"<html>"), None),
    ],
)
def test_only_where_nobody_is_there_is_a_release_missing(
    monkeypatch: pytest.MonkeyPatch, edge: EdgeSummary, says: Says, there: bool | None
) -> None:
    assert told(monkeypatch, edge, says).answers() is there


def test_who_is_slow_and_an_edge_that_is_away_say_nothing_of_a_release(
    monkeypatch: pytest.MonkeyPatch, edge: EdgeSummary
) -> None:
    monkeypatch.setattr(pinned, "SECONDS", 0.1)
    assert told(monkeypatch, edge, Says(after=0.3)).answers() is None
    away = replace(edge, url="https://console.web-next.test:1")
    assert Pinned(away, "candidate").answers() is None


def test_what_waits_is_counted_by_the_queue_itself(monkeypatch: pytest.MonkeyPatch, edge: EdgeSummary) -> None:
    assert told(monkeypatch, edge, Says(body=b'{"pending": 3, "_mock": false}')).undelivered() == 3


@pytest.mark.parametrize(
    "says",
    [
        Says(body=b'{"pending": 0, "_mock": true}'),
        Says(body=b"{}"),
        Says(502, body=b"no"),
        Says(503, track=None, body=b"<html>"),
        Says(track="stable", body=b'{"pending": 3, "_mock": false}'),
    ],
)
def test_a_count_that_is_nobodys_is_none(monkeypatch: pytest.MonkeyPatch, edge: EdgeSummary, says: Says) -> None:
    with pytest.raises(UnreachableError):
        told(monkeypatch, edge, says).undelivered()
