"""The rules that judge a docker stack: the real Prometheus, with the configuration that the program renders."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from infra.nginx import TEMPLATES, rendered
from outputs.panels import PANELS
from tests.support.promtool import promtool

pytestmark = pytest.mark.engine

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
  - name: a candidate's worker that is down beside its app, and then is back
    interval: 15s
    input_series:
      - series: 'up{job="worker", track="candidate", instance="h:1"}'
        values: "1 0x10 1x8"
      - series: 'up{job="app", track="candidate", instance="b:1"}'
        values: "1x19"
    alert_rule_test:
      - alertname: TargetDown
        eval_time: 2m
        exp_alerts:
          - exp_labels: {severity: page, job: worker, track: candidate, instance: "h:1"}
            exp_annotations: {summary: "worker at h:1 cannot be measured"}
      - {alertname: TargetDown, eval_time: 4m, exp_alerts: []}
  - name: two slow requests are nobody's page, six a minute are
    interval: 10s
    input_series:
      - series: 'web_next_edge_answers_total{track="stable", outcome="other", traffic="user"}'
        values: "0x30 1x28 2x60"
      - series: 'web_next_edge_request_seconds_bucket{track="stable", traffic="user", le="1.2"}'
        values: "0x120"
      - series: 'web_next_edge_request_seconds_bucket{track="stable", traffic="user", le="2"}'
        values: "0x30 1x28 2x60"
      - series: 'web_next_edge_request_seconds_bucket{track="stable", traffic="user", le="+Inf"}'
        values: "0x30 1x28 2x60"
      - series: 'web_next_edge_answers_total{track="candidate", outcome="other", traffic="user"}'
        values: "0+1x120"
      - series: 'web_next_edge_request_seconds_bucket{track="candidate", traffic="user", le="1.2"}'
        values: "0x120"
      - series: 'web_next_edge_request_seconds_bucket{track="candidate", traffic="user", le="2"}'
        values: "0+1x120"
      - series: 'web_next_edge_request_seconds_bucket{track="candidate", traffic="user", le="+Inf"}'
        values: "0+1x120"
    alert_rule_test:
      - alertname: EdgeSlow
        eval_time: 14m
        exp_alerts:
          - exp_labels: {severity: page, track: candidate}
            exp_annotations: {summary: "P95 of candidate is 1.96s"}
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
