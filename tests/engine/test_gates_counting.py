"""Counting since a moment, by the real Prometheus with the stack's own configuration and rules: to the one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cutover.errors import CutoverError
from cutover.gates.counting import count
from cutover.gates.counts import Counts
from cutover.gates.known import require_known
from cutover.gates.rises import APP, EDGE
from cutover.gates.window import Window
from cutover.prometheus import Prometheus, Steps
from cutover.rollout.phases import PHASES
from infra.nginx import TEMPLATES, rendered
from tests.support.containers import container, free_port, network, wait_until
from tests.support.judged import REAL, Adapters

pytestmark = pytest.mark.engine

SERVE = """
import http.server, pathlib, threading
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = pathlib.Path(f"/metrics/{self.server.server_port}").read_bytes()
        self.send_response(200)
        self.send_header("content-type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
for port in (9001, 9002):
    threading.Thread(target=http.server.ThreadingHTTPServer(("", port), Metrics).serve_forever).start()
http.server.ThreadingHTTPServer(("", 9000), Metrics).serve_forever()
"""
NOBODY = "127.0.0.1:1"
PORTS = {"edge": 9000, "stable": 9001, "candidate": 9002}
STARTED, LOOKED = "process_start_time_seconds", 'web_next_edge_status_time_seconds{edge="e"}'
ANSWERS = 'web_next_edge_answers_total{track="candidate",traffic="user",outcome="%s",answered_by="app",mock="false"}'
SECONDS = 'web_next_edge_request_seconds_bucket{track="candidate",traffic="user",le="%s"}'
REQUESTS = 'web_next_http_request_duration_seconds_count{route="/",method="GET",status="200",traffic="user"}'
INSERTS = 'web_next_audit_inserts_total{store="%s",traffic="user"}'
POSTGRES = 'web_next_dependency_up{dependency="postgres"}'
ADAPTERS: Adapters = {"stable": REAL, "candidate": REAL}


@dataclass
class Ground:
    """Three targets that say what they are told to, and the Prometheus that asks them."""

    folder: Path
    prometheus: Prometheus
    said: dict[str, dict[str, float]] = field(default_factory=lambda: {target: {STARTED: 1e9} for target in PORTS})

    def say(self, target: str, **series: float) -> None:
        self.said[target] |= series

    def start_anew(self, target: str) -> None:
        """A new process, which has counted nothing."""
        self.said[target] = {STARTED: time.time()}

    def pass_(self, seconds: float = 5.4) -> None:
        """Lets time pass, in which everything is scraped; the edge's log is looked at meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for target, port in PORTS.items():
                series = self.said[target] | ({LOOKED: time.time()} if target == "edge" else {})
                (self.folder / "new").write_text("".join(f"{name} {value}\n" for name, value in series.items()))
                (self.folder / "new").replace(self.folder / str(port))
            time.sleep(0.2)

    def counted(self, since: datetime) -> Counts:
        return count(self.prometheus, since, datetime.now(UTC), adapters=ADAPTERS)


@pytest.fixture
def ground(edge_images: dict[str, str], tmp_path: Path) -> Iterator[Ground]:
    config, metrics, port = tmp_path / "config", tmp_path / "metrics", free_port()
    targets = {target: f"targets:{port}" for target, port in PORTS.items()}
    told: dict[str, object] = {"app": {track: targets[track] for track in ("stable", "candidate")}}
    told |= {"reader": targets["edge"], "worker": {"stable": NOBODY}, "executor": None, "prometheus": NOBODY}
    for folder in (config, metrics):
        folder.mkdir()
        folder.chmod(0o755)
    (config / "prometheus.yml").write_text(rendered("prometheus.yml.j2", **told, watch=NOBODY))
    (config / "rules.yml").write_text((TEMPLATES / "prometheus.rules.yml").read_text())
    with (
        network() as net,
        container(
            edge_images["web-next"],
            *("--network", net, "--network-alias", "targets", "--volume", f"{metrics}:/metrics:ro"),
            command=("python3", "-c", SERVE),
        ),
        container(
            edge_images["prometheus"],
            *("--network", net, "--publish", f"127.0.0.1:{port}:9090"),
            *("--volume", f"{config}:/etc/prometheus:ro", "--tmpfs", "/tmp:mode=1777"),
            command=("--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp"),
        ),
        Prometheus.at(f"http://127.0.0.1:{port}") as prometheus,
    ):
        made = Ground(metrics, prometheus)
        made.pass_(0.1)
        wait_until(lambda: prometheus.query("up") != [], "Prometheus")
        yield made


@pytest.mark.alone
def test_what_rose_since_a_moment_is_counted_over_a_restart_an_outage_and_a_first_time(ground: Ground) -> None:
    ground.say("edge", **{ANSWERS % "other": 100, ANSWERS % "error": 3})
    ground.say("stable", **{POSTGRES: 1})
    ground.say("candidate", **{REQUESTS: 103, INSERTS % "postgres": 10, POSTGRES: 1})
    ground.pass_()
    since = datetime.now(UTC)
    assert ground.counted(since).candidate.asked == 0

    ground.say("edge", **{ANSWERS % "other": 150, ANSWERS % "given_up": 7, SECONDS % "1.5": 50, SECONDS % "+Inf": 57})
    ground.say("candidate", **{REQUESTS: 153, INSERTS % "postgres": 30, INSERTS % "executor": 4})
    ground.pass_()
    ground.start_anew("candidate")  # and it soon has counted more than the process before
    ground.say("candidate", **{REQUESTS: 160, INSERTS % "postgres": 45, POSTGRES: 1})
    ground.say("edge", **{ANSWERS % "other": 310})
    ground.pass_()
    counts = ground.counted(since)
    own = counts.candidate

    assert (own.asked, own.requests, own.errors, own.slower_than_1500ms) == (217, 217, 7, 7)
    assert (own.audit_writes, own.audit_elsewhere) == (20 + 4 + 45, 4)
    assert (counts.blind, counts.away, counts.stable.asked) == ([], [], 0)
    assert 9 < counts.observed <= 14

    # One step over all of it: what a day's phase sees of a restart that took less than its three minutes.
    whole = Window.of(ground.prometheus, Steps(since, (datetime.now(UTC) - since).total_seconds(), 1))
    totals = {labels.get("store", labels["__name__"]): sum(rise) for labels, rise in whole.rises(*APP)}
    assert totals == {"postgres": 65, "executor": 4, "web_next_http_request_duration_seconds_count": 210}
    assert {labels["outcome"]: sum(rise) for labels, rise in whole.rises(EDGE) if "outcome" in labels} == {
        "other": 210,
        "error": 0,
        "given_up": 7,
    }

    ground.pass_()  # what rose above is more than a scrape and a step before the outage
    counts = ground.counted(since)
    ground.say("stable", **{POSTGRES: 0})
    ground.say("candidate", **{POSTGRES: 0, INSERTS % "executor": 900})
    ground.say("edge", **{ANSWERS % "error": 900})
    ground.pass_()
    outage = ground.counted(since)
    assert (outage.candidate.errors, outage.candidate.audit_elsewhere) == (7, 4), "as before the outage"
    assert outage.observed < counts.observed

    with pytest.raises(CutoverError, match=r"gate 'errors' needs web_next_edge_answers_total{.*track=.stable"):
        require_known(ground.prometheus, PHASES[0].gates, ADAPTERS)
    ground.start_anew("edge")
    ground.say("edge", **{ANSWERS % "other": 5})
    ground.pass_()
    assert "EdgeReaderRestarted is firing" in ground.counted(since).blind
