"""What a docker stack's Prometheus tells of fallbacks that last, and of alerts that do not go out."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.nginx import TEMPLATES
from tests.support.promtool import promtool

pytestmark = pytest.mark.engine

TEST = """
rule_files: [rules.yml]
evaluation_interval: 30s
tests:
  - name: pushes go by the executor, and by what stands in while the adapter is a mock
    interval: 30s
    input_series:
      - series: 'web_next_fallbacks_total{job="app", track="stable", route="/api/audit/push", dependency="postgres"}'
        values: "0x9 0+1x20 20x20"
      - series: 'web_next_fallbacks_total{job="app", track="stable", route="/api/audit/push", dependency="executor"}'
        values: "0x9 1x40"
      - series: 'web_next_fallbacks_total{job="app", track="candidate", route="/api/audit/push", dependency="mock"}'
        values: "0+9x50"
      - series: 'web_next_audit_spool_entries{job="app", track="stable"}'
        values: "0x9 1x40"
    alert_rule_test:
      - {alertname: FallbackLasts, eval_time: 9m, exp_alerts: []}
      - alertname: FallbackLasts
        eval_time: 12m
        exp_alerts:
          - exp_labels: {severity: ticket, track: stable, dependency: postgres}
            exp_annotations: {summary: "Something has answered in the place of postgres for 5 minutes, on stable"}
      - {alertname: FallbackLasts, eval_time: 20m, exp_alerts: []}
      - {alertname: AuditSpooled, eval_time: 9m, exp_alerts: []}
      - alertname: AuditSpooled
        eval_time: 11m
        exp_alerts:
          - exp_labels: {severity: ticket}
            exp_annotations: {summary: "1 audit entries wait in S3 for Postgres"}
  - name: flags stay as they were, a Redis that the app has asked once, an executor that the worker has
    interval: 30s
    input_series:
      - series: 'web_next_dependency_up{job="app", track="stable", dependency="ssm"}'
        values: "1x9 0x40"
      - series: 'web_next_dependency_up{job="app", track="stable", dependency="redis"}'
        values: "1x9 0x40"
      - series: 'web_next_dependency_up{job="worker", track="stable", dependency="redis"}'
        values: "1x9 0x40"
      - series: 'web_next_dependency_up{job="worker", track="stable", dependency="executor"}'
        values: "1x9 0x40"
      - series: 'web_next_dependency_up{job="app", track="stable", dependency="postgres"}'
        values: "1x9 0x5 1x40"
    alert_rule_test:
      - {alertname: DependencyAway, eval_time: 9m, exp_alerts: []}
      - alertname: DependencyAway
        eval_time: 11m
        exp_alerts:
          - exp_labels: {severity: ticket, job: app, track: stable, dependency: ssm}
            exp_annotations: {summary: "ssm has not answered the app of stable for 5 minutes"}
          - exp_labels: {severity: ticket, job: worker, track: stable, dependency: redis}
            exp_annotations: {summary: "redis has not answered the worker of stable for 5 minutes"}
  - name: alerts are late and pile up
    interval: 30s
    input_series:
      - series: 'web_next_queue_oldest_job_age_seconds{job="worker", queue="deliver"}'
        values: "0+30x60"
      - series: 'web_next_outbox_pending{job="worker"}'
        values: "7x20 100x40"
    alert_rule_test:
      - {alertname: AlertsLate, eval_time: 9m, exp_alerts: []}
      - alertname: AlertsLate
        eval_time: 10m
        exp_alerts:
          - exp_labels: {severity: page}
            exp_annotations: {summary: "The oldest alert has waited for 10m 0s"}
      - {alertname: AlertsBacklog, eval_time: 14m, exp_alerts: []}
      - alertname: AlertsBacklog
        eval_time: 16m
        exp_alerts:
          - exp_labels: {severity: ticket}
            exp_annotations: {summary: "100 accepted alerts are neither delivered nor dead letters"}
"""


def test_a_fallback_that_lasts_five_minutes_is_told_and_a_mock_or_a_moment_is_not(
    edge_images: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "rules.yml").write_text((TEMPLATES / "prometheus.rules.yml").read_text())
    (tmp_path / "test.yml").write_text(TEST)
    tmp_path.chmod(0o755)

    assert "SUCCESS" in promtool(edge_images, tmp_path, "test", "rules", "test.yml")
