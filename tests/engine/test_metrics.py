"""What measures a docker stack: the real mtail and Prometheus, with the configuration that the program renders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.nginx import TEMPLATES, rendered
from outputs.panels import PANELS
from tests.support.containers import wait_until
from tests.support.edge_lines import ANSWERS, Reader, reader
from tests.support.promtool import promtool

pytestmark = pytest.mark.engine

LINE = (
    '{{"edge":"e","track":"{track}","status":{status},"answeredBy":"{by}","mock":{mock},"traffic":"{traffic}",'
    '"upstreamTime":"{waited}","headTime":"{head}"}}\n'
)
STATUS = '{{"edge":"{edge}","at":{at},"served":{served},"before":{before}}}\n'
CONFIG = {
    "app": {"stable": "a:1", "candidate": "b:1"},
    "worker": {"stable": "c:1", "candidate": "h:1"},
    "executor": "d:1",
    "reader": "e:1",
    "prometheus": "f:1",
    "watch": "g:1",
}
TEST = """
rule_files: [rules.yml]
evaluation_interval: 2s
tests:
  - interval: 1m
    input_series:
      - series: 'web_next_edge_answers_total{track="stable", outcome="other", mock="false", traffic="user"}'
        values: "0+85x10"
      - series: 'web_next_edge_answers_total{track="stable", outcome="other", mock="true", traffic="user"}'
        values: "0+5x10"
      - series: 'web_next_edge_answers_total{track="stable", outcome="error", mock="false", traffic="user"}'
        values: "0+4x10"
      - series: 'web_next_edge_answers_total{track="stable", outcome="given_up", mock="false", traffic="user"}'
        values: "0+2x10"
      - series: 'web_next_edge_answers_total{track="stable", outcome="limited", mock="false", traffic="user"}'
        values: "0+4x10"
      - series: 'web_next_edge_answers_total{track="stable", outcome="error", mock="false", traffic="smoke"}'
        values: "0+900x10"
      - series: 'web_next_edge_answers_total{track="candidate", outcome="other", mock="false", traffic="user"}'
        values: "0+10x10"
      - series: 'web_next_edge_answers_total{track="candidate", outcome="error", mock="false", traffic="user"}'
        values: "0x10"
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
      - expr: track:edge_mock:ratio5m
        eval_time: 10m
        exp_samples: [{labels: 'track:edge_mock:ratio5m{track="stable"}', value: 0.05}]
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
            exp_annotations: {summary: "stable fails 6% of requests: 5xx, or given up after a second"}
  - name: of a few requests one error is all, and 24 in five minutes are fewer than five a minute
    interval: 1m
    input_series:
      - series: 'web_next_edge_answers_total{track="stable", outcome="other", mock="false", traffic="user"}'
        values: "0x9 6x10"
      - series: 'web_next_edge_answers_total{track="stable", outcome="error", mock="false", traffic="user"}'
        values: "0x9 1x10"
      - series: 'web_next_edge_answers_total{track="candidate", outcome="error", mock="false", traffic="user"}'
        values: "0+4.8x20"
    alert_rule_test:
      - {alertname: EdgeErrors, eval_time: 12m, exp_alerts: []}
  - name: 200 first errors within one scrape, of a reader that runs, and before its first scrape
    interval: 2s
    input_series:
      - series: 'web_next_edge_answers_total{instance="a", track="stable", outcome="error", traffic="user"}'
        values: "0x299 200x300"
      - series: 'web_next_edge_answers_total{instance="a", track="candidate", outcome="error", traffic="user"}'
        values: "_x450 200x149"
      - series: 'process_start_time_seconds{instance="a", job="edge"}'
        values: "_x450 899x149"
    promql_expr_test:
      - expr: round(track:edge_answers:increase5m{track="stable"})
        eval_time: 12m
        exp_samples: [{labels: '{track="stable", outcome="error"}', value: 200}]
      - expr: track:edge_errors:ratio5m
        eval_time: 12m
        exp_samples: [{labels: 'track:edge_errors:ratio5m{track="stable"}', value: 1}]
      - expr: track:edge_answers:increase5m{track="candidate"}
        eval_time: 15m10s
        exp_samples:
          - {labels: 'track:edge_answers:increase5m{track="candidate", outcome="error"}', value: 200}
  - name: what a reader counted long before Prometheus came is no rise
    interval: 2s
    input_series:
      - series: 'web_next_edge_answers_total{instance="a", track="stable", outcome="error", traffic="user"}'
        values: "_x450 200x149"
      - series: 'process_start_time_seconds{instance="a", job="edge"}'
        values: "_x450 100x149"
    promql_expr_test:
      - expr: track:edge_answers:increase5m
        eval_time: 15m10s
        exp_samples: [{labels: 'track:edge_answers:increase5m{track="stable", outcome="error"}', value: 0}]
  - name: lost lines are told of once
    interval: 2s
    input_series:
      - series: 'web_next_edge_lost_lines{edge="old"}'
        values: "7x600"
      - series: 'web_next_edge_lost_lines{edge="new"}'
        values: "_x299 12x300"
      - series: 'web_next_edge_status_time_seconds{edge="new"}'
        values: "0+2x600"
    alert_rule_test:
      - alertname: EdgeLogLost
        eval_time: 10m2s
        exp_alerts:
          - exp_labels: {severity: page, edge: new}
            exp_annotations: {summary: "12 requests that new answered within the last 5 minutes are in no metric"}
      - alertname: EdgeLogLost
        eval_time: 19m
        exp_alerts: []
  - name: a reader that reads lines again, and one that had read no more than them
    interval: 2s
    input_series:
      - series: 'web_next_edge_answers_total{outcome="other"}'
        values: "900x9 900x10 400x10"
    alert_rule_test:
      - {alertname: EdgeReaderRestarted, eval_time: 38s, exp_alerts: []}
      - alertname: EdgeReaderRestarted
        eval_time: 44s
        exp_alerts:
          - exp_labels: {severity: ticket}
            exp_annotations:
              summary: The reader of the edge's log was started anew, and the last 5 minutes count lines twice
  - name: a reader that does not answer
    interval: 2s
    input_series:
      - series: 'up{job="edge"}'
        values: "1x9 0x10"
    alert_rule_test:
      - {alertname: EdgeLogUnchecked, eval_time: 22s, exp_alerts: []}
      - alertname: EdgeLogUnchecked
        eval_time: 28s
        exp_alerts:
          - exp_labels: {severity: page}
            exp_annotations: {summary: The edge's log has not been held against its requests for more than 6 seconds}
  - name: a stable worker that is down, and a candidate that is not there
    interval: 15s
    input_series:
      - series: 'up{job="worker", track="stable", instance="c:1"}'
        values: "1 0x10"
      - series: 'up{job="worker", track="candidate", instance="h:1"}'
        values: "0x11"
      - series: 'up{job="app", track="candidate", instance="b:1"}'
        values: "0x11"
    alert_rule_test:
      - alertname: TargetDown
        eval_time: 2m
        exp_alerts:
          - exp_labels: {severity: page, job: worker, track: stable, instance: "c:1"}
            exp_annotations: {summary: "worker at c:1 cannot be measured"}
  - name: a log that nobody looks at
    interval: 2s
    input_series:
      - series: 'web_next_edge_status_time_seconds{edge="new"}'
        values: "0+2x10 20x10"
    alert_rule_test:
      - {alertname: EdgeLogUnchecked, eval_time: 26s, exp_alerts: []}
      - alertname: EdgeLogUnchecked
        eval_time: 28s
        exp_alerts:
          - exp_labels: {severity: page}
            exp_annotations: {summary: The edge's log has not been held against its requests for more than 6 seconds}
  - name: a watch that ticks no more, and then is gone altogether while a phase is on
    interval: 10s
    input_series:
      - series: 'web_next_rollout_phase_on{job="watch"}'
        values: "0x5 1x54 _x60"
      - series: 'web_next_rollout_tick_time_seconds{job="watch"}'
        values: "0+10x30 300x29 _x60"
    alert_rule_test:
      - {alertname: RolloutUnwatched, eval_time: 7m50s, exp_alerts: []}
      - alertname: RolloutUnwatched
        eval_time: 8m20s
        exp_alerts: &unwatched
          - exp_labels: {severity: page}
            exp_annotations:
              summary: A rollout's phase is on, and nobody has looked at its gates for more than 3 minutes
      - {alertname: RolloutUnwatched, eval_time: 19m, exp_alerts: *unwatched}
  - name: nobody must watch what is held
    interval: 10s
    input_series:
      - series: 'web_next_rollout_phase_on{job="watch"}'
        values: "1x20 0x10"
      - series: 'web_next_rollout_tick_time_seconds{job="watch"}'
        values: "0+10x30"
    alert_rule_test:
      - {alertname: RolloutUnwatched, eval_time: 20m, exp_alerts: []}
  - name: users meet the candidate, and no watch was ever there
    interval: 10s
    input_series:
      - series: 'web_next_edge_answers_total{track="candidate", traffic="user"}'
        values: "0x30 0+5x60"
      - series: 'web_next_edge_answers_total{track="candidate", traffic="smoke"}'
        values: "0+5x90"
    alert_rule_test:
      - {alertname: CandidateUnwatched, eval_time: 8m, exp_alerts: []}
      - alertname: CandidateUnwatched
        eval_time: 9m
        exp_alerts:
          - exp_labels: {severity: page}
            exp_annotations:
              summary: The candidate answers users, and nobody has looked at its gates for more than 3 minutes
  - name: users meet the candidate of a rollout that is held, and the watch is gone
    interval: 10s
    input_series:
      - series: 'web_next_edge_answers_total{track="candidate", traffic="user"}'
        values: "0+5x90"
      - series: 'web_next_rollout_phase_on{job="watch"}'
        values: "0x30 _x60"
      - series: 'web_next_rollout_tick_time_seconds{job="watch"}'
        values: "0+10x30 _x60"
    alert_rule_test:
      - {alertname: CandidateUnwatched, eval_time: 7m, exp_alerts: []}
      - alertname: CandidateUnwatched
        eval_time: 14m
        exp_alerts:
          - exp_labels: {severity: page}
            exp_annotations:
              summary: The candidate answers users, and nobody has looked at its gates for more than 3 minutes
  - name: users meet the candidate, and the watch sees no rollout, for the weight was set by hand
    interval: 10s
    input_series:
      - series: 'web_next_edge_answers_total{track="candidate", traffic="user"}'
        values: "0+5x90"
      - series: 'web_next_rollout_phase_on{job="watch"}'
        values: "0x90"
      - series: 'web_next_rollout_tick_time_seconds{job="watch"}'
        values: "0+10x90"
    alert_rule_test:
      - {alertname: CandidateUnwatched, eval_time: 14m, exp_alerts: []}
  - name: a hold keeps users at the candidate, and then nobody any more
    interval: 10s
    input_series:
      - series: 'web_next_rollout_held{job="watch"}'
        values: "0x30 1x60 0x30"
    alert_rule_test:
      - {alertname: RolloutHeld, eval_time: 9m50s, exp_alerts: []}
      - alertname: RolloutHeld
        eval_time: 10m30s
        exp_alerts:
          - exp_labels: {severity: ticket}
            exp_annotations:
              summary: "A rollout is held while the candidate has users, and for 5 minutes nobody has decided"
      - {alertname: RolloutHeld, eval_time: 16m, exp_alerts: []}
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


def test_configuration_and_rules_are_ones_that_prometheus_takes(edge_images: dict[str, str], folder: Path) -> None:
    said = promtool(edge_images, folder, "check", "config", "prometheus.yml")

    rules = re.findall("- (?:alert|record): ", (folder / "rules.yml").read_text())
    assert f"{len(rules)} rules found" in said
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


def test_the_panels_queries_are_ones_that_prometheus_takes_of_metrics_that_somebody_has(
    edge_images: dict[str, str], folder: Path
) -> None:
    expressions = [query.expression for panel in PANELS for query in panel.queries]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions)]
    (folder / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))

    assert f"{len(expressions)} rules found" in promtool(edge_images, folder, "check", "rules", "panels.yml")
    known = (TEMPLATES / "prometheus.rules.yml").read_text() + (TEMPLATES / "edge.mtail").read_text()
    known += Path("webnext/metrics.py").read_text() + Path("cutover/rollout/heartbeat.py").read_text()
    for name in re.findall(r"\b(?:web_next_\w+|\w+:\w+:\w+)\b", " ".join(expressions)):
        assert name in known, f"{name} is nobody's metric"
