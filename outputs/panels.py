"""What the dashboards show: one table, which `infra` renders for Grafana and `cutover` sends to Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Unit = Literal["count", "per second", "share", "seconds", "percent"]

UID, TITLE = "web-next-cutover", "web-next cutover"


@dataclass(frozen=True)
class Query:
    """A question to Prometheus; `legend` names each series of the answer by its labels in {{…}}."""

    expression: str
    legend: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture over time. From `warn` on it is worth a look, at `limit` a gate or an alert speaks."""

    group: str
    title: str
    unit: Unit
    queries: Sequence[Query]
    warn: float | None = None
    limit: float | None = None


PANELS: tuple[Panel, ...] = (
    Panel(
        group="Rollout",
        title="Weight and phase",
        unit="percent",
        queries=[
            Query("web_next_rollout_weight", "{{of}}"),
            Query("100 * web_next_rollout_phase_on", "a phase is on"),
        ],
    ),
    Panel(
        group="Rollout",
        title="Evidence of the gates",
        unit="count",
        queries=[Query("web_next_rollout_gate_evidence", "{{gate}}")],
        limit=1000,
    ),
    Panel(
        group="Rollout",
        title="Seconds since the watch's last tick",
        unit="seconds",
        queries=[Query("time() - web_next_rollout_tick_time_seconds", "tick")],
        warn=30,
        limit=180,
    ),
    Panel(
        group="Rollout",
        title="Flags",
        unit="count",
        queries=[
            Query('max by (track, name) (web_next_flag{job="app"})', "{{track}} {{name}}"),
            Query('max by (name) (web_next_flag{job="worker"})', "worker {{name}}"),
        ],
    ),
    Panel(
        group="Traffic",
        title="Requests by track",
        unit="per second",
        queries=[Query("track:edge_requests:rate5m", "{{track}}")],
    ),
    Panel(
        group="Traffic",
        title="Candidate's share",
        unit="share",
        queries=[
            Query(
                'track:edge_requests:rate5m{track="candidate"} / ignoring(track) sum(track:edge_requests:rate5m)',
                "candidate",
            )
        ],
    ),
    Panel(
        group="Traffic",
        title="Errors by track",
        unit="share",
        queries=[Query("track:edge_errors:ratio5m", "{{track}}")],
        warn=0.01,
        limit=0.02,
    ),
    Panel(
        group="Traffic",
        title="P95 by track",
        unit="seconds",
        queries=[Query("track:edge_request_seconds:p95_5m", "{{track}}")],
        warn=1.2,
        limit=1.5,
    ),
    Panel(
        group="Traffic",
        title="429 by track",
        unit="share",
        queries=[Query("track:edge_limited:ratio5m", "{{track}}")],
        warn=0.05,
    ),
    Panel(
        group="Traffic",
        title="Answers by a mock or a fallback",
        unit="share",
        queries=[Query("track:edge_mock:ratio5m", "{{track}}")],
        limit=0.02,
    ),
    Panel(
        group="Data",
        title="Audit inserts a minute",
        unit="count",
        queries=[Query("job:audit_inserts:per_minute5m", "inserts")],
    ),
    Panel(
        group="Data",
        title="Audit write P95",
        unit="seconds",
        queries=[Query("track:audit_write_seconds:p95_5m", "{{track}}")],
        limit=0.1,
    ),
    Panel(
        group="Data",
        title="Alert queues",
        unit="count",
        queries=[
            Query("max by (queue, state) (web_next_queue_jobs)", "{{queue}} {{state}}"),
            Query("max(web_next_outbox_pending)", "outbox"),
        ],
    ),
    Panel(
        group="Data",
        title="Auto-pauses",
        unit="count",
        queries=[Query("sum by (track) (web_next_auto_pauses_total)", "{{track}}")],
    ),
    Panel(
        group="Dependencies",
        title="Fallbacks",
        unit="per second",
        queries=[
            Query(
                'sum by (route, dependency) (rate(web_next_fallbacks_total{traffic="user"}[5m]))',
                "{{route}} without {{dependency}}",
            )
        ],
    ),
    Panel(
        group="Dependencies",
        title="What answers",
        unit="count",
        queries=[Query("min by (job, dependency) (web_next_dependency_up)", "{{job}} {{dependency}}")],
    ),
    Panel(
        group="Measurement",
        title="What can be measured",
        unit="count",
        queries=[Query("up", "{{job}} {{track}}")],
    ),
    Panel(
        group="Measurement",
        title="Log lines of the edge that are lost",
        unit="count",
        queries=[
            Query("max(web_next_edge_lost_lines)", "lost"),
            Query("max(web_next_edge_unread_lines_total)", "not understood"),
        ],
        limit=1,
    ),
)
