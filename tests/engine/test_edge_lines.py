"""The edge's log in memory: no line is lost unnoticed, whatever stops, fills up or starts anew."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.nginx import LINES, TEMPLATES, rendered
from tests.support.containers import container, docker, free_port, pause, wait_until
from tests.support.edge_configs import SOUND
from tests.support.edge_lines import ANSWERS, Reader, burst, connected, raw, reader, volume
from tests.support.edges import Edge, StartEdge, config

pytestmark = pytest.mark.engine

SHOWS = 10
"""Seconds within which a loss is to be seen."""
LOOKS = 20
"""More lines than the looks of a test have, of which some may be lost too."""


@dataclass
class Ground:
    """A log of its own with an edge before it, and readers as a test wants them."""

    images: dict[str, str]
    folder: Path
    start: StartEdge
    opened: ExitStack = field(default_factory=ExitStack)

    def edge(self, size: str = "32m", file_bytes: int = 8 * 2**20, **changes: Any) -> Edge:
        self.lines = self.opened.enter_context(volume(size))
        everybody = config("stable", trusted_callers=["192.0.2.1"], **changes)
        return self.opened.enter_context(self.start(everybody, lines=self.lines, file_bytes=file_bytes))

    def reader(self, *options: str) -> Reader:
        return self.opened.enter_context(reader(self.images, self.folder, self.lines, *options))


@pytest.fixture
def ground(edge_images: dict[str, str], tmp_path: Path, start_edge: StartEdge) -> Iterator[Ground]:
    made = Ground(edge_images, tmp_path, start_edge)
    with made.opened:
        yield made


def settled(read: Reader, requests: int, label: str = "") -> None:
    """Waits until so many are counted, and for a look that began after that."""
    wait_until(lambda: read.total("web_next_edge_requests_total", label) >= requests, f"{requests} lines", SHOWS)
    looks = read.total("web_next_edge_status_time_seconds")
    wait_until(lambda: read.total("web_next_edge_status_time_seconds") >= looks + 2, "two looks later", SHOWS)


def file(edge: Edge) -> str:
    """Which file the reader is to follow."""
    return docker("exec", edge.id, "stat", "--format", "%i", f"{LINES}/read")


def test_a_burst_of_3000_is_counted_to_the_last_one_while_the_file_is_begun_anew(ground: Ground) -> None:
    edge = ground.edge(file_bytes=100_000)
    read, first = ground.reader(), file(edge)
    for _ in range(3):
        burst(edge.port, 3000, "/own-404")
        time.sleep(1)
    settled(read, 9000, 'status="404"')

    assert read.total("web_next_edge_requests_total", 'status="404"') == 9000
    assert read.total("web_next_edge_missing_lines") == read.total("web_next_edge_lost_lines") == 0
    assert read.total("web_next_edge_unread_lines_total") == 0
    assert sum(entry["status"] == 404 for entry in edge.log()) == 9000, "the container's own log has them too"
    assert file(edge) != first


def test_a_reader_that_starts_late_or_again_reads_the_file_from_its_beginning(ground: Ground) -> None:
    edge = ground.edge(file_bytes=100_000)
    burst(edge.port, 500, "/own-404")
    first = ground.reader()
    settled(first, 500, 'status="404"')
    assert first.total("web_next_edge_requests_total", 'status="404"') == 500

    burst(edge.port, 500, "/own-404")
    wait_until(lambda: first.total("web_next_edge_requests_total", 'status="404"') == 1000, "the second half")
    before = file(edge)
    burst(edge.port, 700, "/own-410")
    wait_until(lambda: file(edge) != before, "another file")
    docker("stop", "--time", "2", first.id)
    second = ground.reader()
    burst(edge.port, 100, "/own-403")
    settled(second, 100, 'status="403"')

    assert second.total("web_next_edge_requests_total", 'status="403"') == 100
    assert second.total("web_next_edge_requests_total") < 1000, "what is in no file is not read again"
    wait_until(
        lambda: second.total("web_next_edge_missing_lines") == 0, "the look after the last line: none is missing"
    )


def test_lines_that_a_full_memory_has_no_room_for_show_and_the_edge_answers_on(ground: Ground) -> None:
    edge = ground.edge(size="200k", file_bytes=100_000)
    read = ground.reader()
    burst(edge.port, 3000, "/own-404")
    wait_until(lambda: read.total("web_next_edge_lost_lines") > 0, "the loss", SHOWS)
    settled(read, 1)

    def told() -> tuple[float, float, float]:
        lost, unread = read.total("web_next_edge_lost_lines"), read.total("web_next_edge_unread_lines_total")
        return lost, read.total("web_next_edge_requests_total", 'status="404"'), unread

    wait_until(lambda: sum(told()) >= 3000, "every line, counted or told as lost", SHOWS)
    lost, counted, _ = told()
    assert edge.client.get("/healthz").status_code == 200
    assert lost <= 3000 - counted + LOOKS, "nothing that was read counts as lost"
    before = counted
    burst(edge.port, 100, "/own-404")
    wait_until(
        lambda: read.total("web_next_edge_requests_total", 'status="404"') == before + 100, "there is room again"
    )


def test_lines_that_the_reader_slept_through_show(ground: Ground) -> None:
    edge = ground.edge(file_bytes=25_000)
    read = ground.reader()
    settled(read, 1)
    pause(read.id)
    for _ in range(2):  # the file that it has open stays; the one after it comes and goes
        before = file(edge)
        burst(edge.port, 300, "/own-404")
        wait_until(lambda before=before: file(edge) != before, "another file")  # type: ignore[misc]
    docker("unpause", read.id)
    wait_until(lambda: read.total("web_next_edge_lost_lines") > 0, "the loss", SHOWS)
    settled(read, 1)

    counted = read.total("web_next_edge_requests_total", 'status="404"')
    assert counted == 300
    assert 300 <= read.total("web_next_edge_lost_lines") <= 300 + LOOKS


def test_http_2_refusals_and_broken_requests_have_lines_too(ground: Ground) -> None:
    edge = ground.edge()
    read = ground.reader()
    for asked in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /half HTTP/1.1\r\nHost",
        b"GET /%ff%0a%22%c3 HTTP/1.0\r\n\r\n",
    ):
        raw(edge.port, asked)
    paths = [f"{edge.client.base_url}{path}" for path in ("/a", "/own-500", "/api/x")]
    curl = ["curl", "-sk", "--http2", "-w", "%{http_version} %{http_code}\n", "-o", "/dev/null"]
    said = subprocess.run([*curl, "-Z", *paths], capture_output=True, text=True, timeout=20, check=True).stdout
    settled(read, 7)

    assert sorted(re.findall(r"2 [2-5]\d\d$", said, re.MULTILINE)) == ["2 200", "2 200", "2 500"]
    assert read.total("web_next_edge_requests_total", 'status="400",track="none",traffic="refused"') >= 2
    assert read.total("web_next_edge_answers_total", 'track=""') == 0
    assert read.total("web_next_edge_missing_lines") == read.total("web_next_edge_lost_lines") == 0
    assert read.total("web_next_edge_unread_lines_total") == 0


def test_each_start_of_nginx_has_an_id_of_its_own_and_a_reload_keeps_it(ground: Ground) -> None:
    edge = ground.edge()
    read, seen = ground.reader(), list[str]()
    for change in ("", "HUP", "restart"):
        if change:
            docker(*(("restart",) if change == "restart" else ("kill", "--signal", change)), edge.id)
            time.sleep(0.5)
        wait_until(lambda: edge.client.get("/healthz").status_code == 200, "the edge")
        seen.append(edge.client.get("/x").headers["x-edge-id"])

    assert seen[0] == seen[1] != seen[2]
    assert {entry["edge"] for entry in edge.log()} == set(seen)
    wait_until(lambda: {f'web_next_edge_lost_lines{{edge="{one}"}}' for one in seen} <= set(read.figures()), "both")
    assert docker("inspect", "--format", "{{.Config.Hostname}}", edge.id) not in seen[0]


ERRORS = [(by, "false", outcome) for by in ("app", "edge") for outcome in ("error", "given_up")]


def test_what_never_happened_counts_as_0_from_the_first_second_on(ground: Ground) -> None:
    ground.edge()
    read = ground.reader()
    settled(read, 1)
    figures = read.figures()

    for track in ("stable", "candidate"):
        for by, mock, outcome in (*ERRORS, ("edge", "false", "limited")):
            assert figures[ANSWERS % (by, mock, outcome, track, "user")] == 0
        assert figures[ANSWERS % ("app", "true", "other", track, "user")] == 0


def test_what_clients_give_up_on_an_app_that_hangs_is_counted_apart_from_who_left_at_once(ground: Ground) -> None:
    edge = ground.edge()
    read = ground.reader()
    pause(edge.upstream)
    try:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: raw(edge.port, b"GET /a HTTP/1.1\r\nHost: edge\r\n\r\n"), range(6)))
        with connected(edge.port) as soon:
            soon.sendall(b"GET /b HTTP/1.1\r\nHost: edge\r\n\r\n")
            time.sleep(0.3)
        with connected(edge.port) as broken:
            broken.sendall(b"GET /c HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            time.sleep(0.3)
            broken.sendall(b"zz\r\n")
            broken.recv(1)
        settled(read, 7, 'status="499"')
        settled(read, 1, 'status="400"')
    finally:
        docker("unpause", edge.upstream)
    figures = read.figures()

    assert figures[ANSWERS % ("edge", "false", "given_up", "stable", "user")] == 6
    assert figures[ANSWERS % ("edge", "false", "other", "stable", "user")] == 2
    assert read.total("web_next_edge_requests_total", 'status="400",track="stable"') == 1, "the app was asked"


def test_a_clients_own_slowness_is_neither_given_up_nor_slow(ground: Ground) -> None:
    edge = ground.edge(limits=replace(SOUND.limits, pages_per_minute=600))
    read = ground.reader()
    with ExitStack() as open_:
        pages = [open_.enter_context(connected(edge.port)) for _ in range(60)]
        late, never = (open_.enter_context(connected(edge.port)) for _ in range(2))
        for page in pages:
            page.sendall(b"GET /dashboard HTTP/1.1\r\nHost: edge\r\n\r\n")
        for slow in (late, never):
            slow.sendall(b"POST /api/x HTTP/1.1\r\nHost: edge\r\nContent-Length: 2\r\n\r\n{")
        time.sleep(1.2)
        late.sendall(b"}")
        late.recv(1)
    settled(read, 62)
    within = 'web_next_edge_request_seconds_bucket{track="stable",traffic="user",le="%s"}'
    figures = read.figures()

    assert figures[ANSWERS % ("edge", "false", "given_up", "stable", "user")] == 0
    assert figures[within % "1"] == figures[within % "+Inf"] >= 50


def test_what_nginx_has_answered_is_told_to_nobody_outside_its_container(ground: Ground) -> None:
    edge = ground.edge()
    asked = edge.client.get("/", headers={"host": "127.0.0.1:8081"})

    assert "Active connections" in docker("exec", edge.id, "bash", "-c", STATUS)
    assert asked.json()["track"] == "stable", "the app answered"
    connect = f"import socket; socket.create_connection(('{edge.address.partition(':')[0]}', 8081), 3)"
    with pytest.raises(subprocess.CalledProcessError, match="returned non-zero"):
        docker("exec", edge.upstream, "python3", "-c", connect)


STATUS = r"exec 3<>/dev/tcp/127.0.0.1/8081; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3"


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus with the stack's own configuration and rules."""

    url: str

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, trust_env=False).json()
        return [(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]

    def fires(self, alert: str) -> bool:
        return bool(self.query(f'ALERTS{{alertname="{alert}",alertstate="firing"}}'))


@pytest.fixture
def measured(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, Prometheus]]:
    """An edge with a small memory, and Prometheus that asks its reader."""
    edge = ground.edge(size="512k", file_bytes=10**9)
    ground.reader("--network", edge.network, "--network-alias", "reader")
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    nobody = "127.0.0.1:1"
    told = {"app": {"stable": nobody}, "worker": {"stable": nobody}, "executor": None, "watch": nobody}
    told["prometheus"] = "127.0.0.1:9090"
    (folder / "prometheus.yml").write_text(rendered("prometheus.yml.j2", **told, reader="reader:3903"))
    (folder / "rules.yml").write_text((TEMPLATES / "prometheus.rules.yml").read_text())
    folder.chmod(0o755)
    options = ("--network", edge.network, "--volume", f"{folder}:/etc/prometheus:ro", "--tmpfs", "/tmp:mode=1777")
    command = ("--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp")
    published = ("--publish", f"127.0.0.1:{port}:9090")
    with container(ground.images["prometheus"], *options, *published, command=command):
        made = Prometheus(f"http://127.0.0.1:{port}")
        wait_until(lambda: made.query('up{job="edge"}')[0][1] == 1, "Prometheus")
        yield edge, made


def test_200_first_errors_in_one_scrape_count_200_and_a_loss_is_an_alert_within_10_s(
    measured: tuple[Edge, Prometheus],
) -> None:
    edge, prometheus = measured
    errors = 'web_next_edge_answers_total{track="stable",outcome="error",answered_by="app",mock="false",traffic="user"}'
    risen = f"max_over_time({errors}[1m]) - min_over_time({errors}[1m])"
    rule = 'sum(track:edge_answers:increase5m{track="stable",outcome="error"})'
    wait_until(lambda: prometheus.query(risen)[0][1] == 0, "the zeros")
    assert not prometheus.query('ALERTS{alertname=~"EdgeLog.*"}')
    burst(edge.port, 200, "/own-500")
    wait_until(lambda: prometheus.query(risen)[0][1] == 200, "the errors")
    wait_until(lambda: prometheus.query(f"{rule} > 0") != [], "the rule")
    # The rule stretches what few seconds there are over its window's ends.
    assert 200 <= prometheus.query(rule)[0][1] < 400

    burst(edge.port, 6000, "/own-404")
    wait_until(lambda: prometheus.fires("EdgeLogLost") or prometheus.fires("EdgeLogUnchecked"), "the alert", SHOWS)
    assert edge.client.get("/healthz").status_code == 200, "a full memory does not stop the edge"
