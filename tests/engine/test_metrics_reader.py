"""What reads the edge's log: the real mtail, and what it counts of lines that are there, missing, or late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.containers import wait_until
from tests.support.edge_lines import ANSWERS, Reader, reader

pytestmark = pytest.mark.engine

LINE = (
    '{{"edge":"e","track":"{track}","status":{status},"answeredBy":"{by}","mock":{mock},"traffic":"{traffic}",'
    '"upstreamTime":"{waited}","headTime":"{head}"}}\n'
)
STATUS = '{{"edge":"{edge}","at":{at},"served":{served},"before":{before}}}\n'


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """The file that a reader follows."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "read").touch()
    return tmp_path / "log" / "read"


@pytest.fixture
def read(edge_images: dict[str, str], lines: Path, tmp_path: Path) -> Iterator[Reader]:
    """A reader of that file."""
    (tmp_path / "program").mkdir()
    with reader(edge_images, tmp_path / "program", str(lines.parent)) as running:
        yield running


def test_what_the_edge_logs_is_what_prometheus_can_read(lines: Path, read: Reader) -> None:
    app = {"by": "app", "mock": "false", "traffic": "user", "waited": "0.004", "head": "0.004"}
    own, hung = {**app, "by": "edge", "waited": "", "head": ""}, {**app, "by": "edge", "head": "-"}
    written = LINE.format(track="stable", status=200, **app) * 90
    written += LINE.format(track="stable", status=200, **{**app, "mock": "true"}) * 3
    written += LINE.format(track="stable", status=429, **own) * 10
    written += LINE.format(track="candidate", status=502, **{**app, "traffic": "smoke", "head": "1.300"}) * 5
    written += LINE.format(track="stable", status=499, **{**hung, "waited": "0.900"}) * 3
    written += LINE.format(track="stable", status=499, **{**hung, "waited": "15.001"})
    written += LINE.format(track="stable", status=499, **{**hung, "waited": "0.899"}) * 6
    written += LINE.format(track="stable", status=499, **own) * 8
    written += LINE.format(track="stable", status=400, **{**hung, "waited": "1.700"}) * 2
    written += LINE.format(track="stable", status=504, **{**hung, "waited": "2.000"}) * 2
    written += LINE.format(track="stable", status=200, **{**app, "waited": "12.000", "head": "0.070"}) * 11
    written += LINE.format(track="", status=505, **own) * 7
    with lines.open("a") as log:
        log.write(written + "no JSON at all\n" + LINE.format(track="", status=400, **own)[:90] + "\n")
    counted = 'web_next_edge_requests_total{status="%d",track="%s",traffic="%s"}'
    wait_until(lambda: read.figures().get("web_next_edge_unread_lines_total") == 2, "all lines")
    seen = read.figures()

    assert seen[counted % (502, "candidate", "smoke")] == 5
    assert seen[counted % (200, "stable", "user")] == 104
    assert seen[counted % (429, "stable", "user")] == 10
    assert seen[counted % (505, "none", "refused")] == 7
    assert [name for name in seen if 'track=""' in name] == [], "Prometheus has no such label"
    assert seen[ANSWERS % ("app", "true", "other", "stable", "user")] == 3
    assert seen[ANSWERS % ("edge", "false", "limited", "stable", "user")] == 10
    assert seen[ANSWERS % ("app", "false", "error", "candidate", "smoke")] == 5
    assert seen[ANSWERS % ("edge", "false", "given_up", "stable", "user")] == 4
    assert seen[ANSWERS % ("edge", "false", "other", "stable", "user")] == 6 + 8 + 2
    seconds = 'web_next_edge_request_seconds_bucket{track="candidate",traffic="smoke",le="%s"}'
    assert (seen[seconds % "1.2"], seen[seconds % "1.5"]) == (0, 5)
    users = seconds.replace("candidate", "stable").replace("smoke", "user")
    app_had, until = 93 + 11 + 10 + 2, [seen[users % bound] for bound in ("0.005", "0.1", "1", "1.5", "2.5", "+Inf")]
    assert until == [93, 104, 113, 113, 115, app_had], "by the time until a head, or until nobody waited any longer"


def test_a_line_is_lost_when_two_looks_in_turn_miss_it_and_not_when_it_is_late_or_early(
    lines: Path, read: Reader
) -> None:
    app = {"by": "app", "mock": "false", "traffic": "user", "waited": "0.004", "head": "0.004"}
    line = LINE.format(track="stable", status=200, **app)
    steps = [
        (line * 5, 5, (0, 0), "all there"),
        (line * 3, 6, (-2, 0), "more came while nginx was asked"),
        ("", 18, (10, 0), "a busy worker"),
        (line * 10, 18, (0, 0), "its lines"),
        ("", 22, (4, 0), "four are missing"),
        (line, 24, (5, 4), "four are still"),
        ("", 24, (5, 5), "and so is the fifth"),
        (line * 9, 30, (2, 5), "a look while requests come says less, and takes nothing back"),
    ]
    for at, (written, served, expected, what) in enumerate(steps, 1):
        with lines.open("a") as log:
            log.write(written + STATUS.format(edge="e", at=at, served=served + 100, before=100))
        wait_until(lambda at=at: read.total("web_next_edge_status_time_seconds") == at, what)  # type: ignore[misc]
        seen = read.total("web_next_edge_missing_lines"), read.total("web_next_edge_lost_lines")
        assert seen == expected, what
