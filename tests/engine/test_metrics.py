"""What measures a docker stack: the real mtail and Prometheus, with the configuration that the program renders."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.nginx import TEMPLATES, rendered
from tests.support.containers import container, docker, free_port, wait_until

pytestmark = pytest.mark.engine

LINE = (
    '<190>Nov 24 12:00:00 edge: {{"time":"t","edge":"e","track":"{track}","status":{status},"method":"GET",'
    '"path":"/a \\"b","requestTime":{seconds},"upstreamTime":"-","traceId":"x","remoteAddr":"1.1.1.1",'
    '"traffic":"{traffic}"}}\n'
)
CONFIG = {"app": {"stable": "a:1", "candidate": "b:1"}, "worker": "c:1", "executor": "d:1", "reader": "e:1"}
TEST = """
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'web_next_edge_requests_total{track="stable", status="200", traffic="user"}'
        values: "0+90x10"
      - series: 'web_next_edge_requests_total{track="stable", status="500", traffic="user"}'
        values: "0+6x10"
      - series: 'web_next_edge_requests_total{track="stable", status="429", traffic="user"}'
        values: "0+4x10"
      - series: 'web_next_edge_requests_total{track="stable", status="500", traffic="smoke"}'
        values: "0+900x10"
      - series: 'web_next_edge_requests_total{track="candidate", status="200", traffic="user"}'
        values: "0+10x10"
      - series: 'web_next_edge_request_seconds_bucket{track="stable", traffic="user", le="1.2"}'
        values: "0+95x10"
      - series: 'web_next_edge_request_seconds_bucket{track="stable", traffic="user", le="+Inf"}'
        values: "0+100x10"
      - series: 'web_next_audit_inserts_total{job="app", traffic="user", store="postgres"}'
        values: "0+12x10"
      - series: 'web_next_audit_inserts_total{job="executor", traffic="user", store="postgres"}'
        values: "0+500x10"
    promql_expr_test:
      - expr: track:edge_errors:ratio5m
        eval_time: 10m
        exp_samples:
          - {labels: 'track:edge_errors:ratio5m{track="candidate"}', value: 0}
          - {labels: 'track:edge_errors:ratio5m{track="stable"}', value: 0.06}
      - expr: track:edge_limited:ratio5m{track="stable"}
        eval_time: 10m
        exp_samples: [{labels: 'track:edge_limited:ratio5m{track="stable"}', value: 0.04}]
      - expr: round(track:edge_request_seconds:p95_5m, 0.001)
        eval_time: 10m
        exp_samples: [{labels: '{track="stable"}', value: 1.2}]
      - expr: job:audit_inserts:per_minute5m
        eval_time: 10m
        exp_samples: [{labels: 'job:audit_inserts:per_minute5m', value: 12}]
    alert_rule_test:
      - alertname: EdgeErrors
        eval_time: 10m
        exp_alerts:
          - exp_labels: {severity: page, track: stable}
            exp_annotations: {summary: "stable answers 6% of requests with 5xx"}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("metrics")
    (made / "prometheus.yml").write_text(rendered("prometheus.yml.j2", **CONFIG))
    (made / "rules.yml").write_text((TEMPLATES / "prometheus.rules.yml").read_text())
    (made / "test.yml").write_text(TEST)
    (made / "edge.mtail").write_text((TEMPLATES / "edge.mtail").read_text())
    made.chmod(0o755)
    return made


def promtool(images: dict[str, str], folder: Path, *arguments: str) -> str:
    mount = ("--volume", f"{folder}:/etc/prometheus:ro", "--workdir", "/etc/prometheus", "--network", "none")
    return docker("run", "--rm", *mount, "--entrypoint", "promtool", images["prometheus"], *arguments)


def test_configuration_and_rules_are_ones_that_prometheus_takes(edge_images: dict[str, str], folder: Path) -> None:
    said = promtool(edge_images, folder, "check", "config", "prometheus.yml")

    assert "12 rules found" in said
    assert "is valid prometheus config file syntax" in said


def test_the_gates_figures_are_those_of_the_series_smoke_and_the_double_left_out(
    edge_images: dict[str, str], folder: Path
) -> None:
    assert "SUCCESS" in promtool(edge_images, folder, "test", "rules", "test.yml")


def test_without_a_double_of_the_executor_none_is_asked(edge_images: dict[str, str], folder: Path) -> None:
    (folder / "alone.yml").write_text(rendered("prometheus.yml.j2", **{**CONFIG, "executor": None}))

    assert "is valid" in promtool(edge_images, folder, "check", "config", "alone.yml")
    assert "job_name: executor" not in (folder / "alone.yml").read_text()


@pytest.fixture
def reader(edge_images: dict[str, str], folder: Path) -> Iterator[tuple[str, int, int]]:
    """A reader's container, its syslog port and the port of its metrics."""
    syslog, metrics = free_port(), free_port()
    options = ("--volume", f"{folder}:/etc/mtail:ro", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")
    ports = ("--publish", f"127.0.0.1:{syslog}:1514/udp", "--publish", f"127.0.0.1:{metrics}:3903")
    command = ("-progs", "/etc/mtail/edge.mtail", "-logs", "udp://:1514", "-address", "", "-logtostderr")
    with container(edge_images["mtail"], *options, *ports, command=command) as running:
        wait_until(lambda: httpx.get(f"http://127.0.0.1:{metrics}/metrics").status_code == 200, "the reader")
        yield running, syslog, metrics


def send(port: int, *lines: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for line in lines:
            sender.sendto(line.encode(), ("127.0.0.1", port))


def figures(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode().replace('prog="edge.mtail",', "").replace('{prog="edge.mtail"}', "")
    return {name: float(value) for name, value in re.findall(r"^(web_next_\S+?(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def test_what_the_edge_logs_is_what_prometheus_can_read(reader: tuple[str, int, int]) -> None:
    _, syslog, metrics = reader
    lines = [LINE.format(track="stable", status=200, seconds="0.004", traffic="user")] * 90
    lines += [LINE.format(track="stable", status=429, seconds="0.000", traffic="user")] * 10
    lines += [LINE.format(track="candidate", status=502, seconds="1.300", traffic="smoke")] * 5
    send(syslog, *lines, "<190>Nov 24 12:00:00 edge: no JSON at all\n")
    counted = 'web_next_edge_requests_total{status="%d",track="%s",traffic="%s"}'
    wait_until(lambda: figures(metrics).get(counted % (502, "candidate", "smoke")) == 5, "all lines")
    seen = figures(metrics)

    assert seen[counted % (200, "stable", "user")] == 90
    assert seen[counted % (429, "stable", "user")] == 10
    seconds = 'web_next_edge_request_seconds_bucket{track="candidate",traffic="smoke",le="%s"}'
    assert (seen[seconds % "1.2"], seen[seconds % "1.5"]) == (0, 5)
    assert seen["web_next_edge_unread_lines_total"] == 1


DASHBOARDS = sorted((TEMPLATES / "grafana" / "dashboards").glob("*.json"))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboards_queries_are_ones_that_prometheus_takes_and_its_panels_differ(
    edge_images: dict[str, str], folder: Path, path: Path
) -> None:
    panels: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    exprs = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(exprs)]
    (folder / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))

    assert f"{len(exprs)} rules found" in promtool(edge_images, folder, "check", "rules", "panels.yml")
    assert len({panel["id"] for panel in panels}) == len(panels) == len({panel["title"] for panel in panels})
    assert {panel["datasource"]["uid"] for panel in panels} == {"prometheus"}
    known = (TEMPLATES / "prometheus.rules.yml").read_text() + (TEMPLATES / "edge.mtail").read_text()
    known += Path("webnext/metrics.py").read_text()
    for name in re.findall(r"\b(?:web_next_\w+|\w+:\w+:\w+)\b", " ".join(exprs)):
        assert name in known, f"{name} is nobody's metric"
