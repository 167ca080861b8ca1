"""What the dashboards show: one table, which `infra` renders for Grafana and for CloudWatch, and `cutover` sends to
Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from outputs.log_figures import LogFigure
from outputs.panel import Line, Panel, Query, Source
from outputs.release import Track

UID, TITLE = "web-next-cutover", "web-next cutover"
TRACKS: tuple[Track, ...] = ("stable", "candidate")


def _each(line: Callable[[Track], Line]) -> list[Line]:
    return [line(track) for track in TRACKS]


def _figure(figure: LogFigure, track: Track) -> Source:
    return Source("stack", figure.of(track))


def _of_requests(figure: LogFigure) -> list[Line]:
    """The share of each track's requests that are of a kind."""
    return _each(
        lambda track: Line(
            legend=track,
            expression="{these} / {all}",
            over={"these": _figure(figure, track), "all": _figure(LogFigure.REQUESTS, track)},
        )
    )


def _of_stack(**names: str) -> list[Line]:
    """The stack's own figures, each as high as it was."""
    return [
        Line(legend=legend.replace("_", " "), over={"it": Source("stack", name, "Maximum")})
        for legend, name in names.items()
    ]


PANELS: tuple[Panel, ...] = (
    Panel(
        group="Rollout",
        title="Weight and phase",
        unit="percent",
        queries=[
            Query("web_next_rollout_weight", "{{of}}"),
            Query("100 * web_next_rollout_phase_on", "a phase is on"),
        ],
        on_aws=_of_stack(routes="RolloutWeight"),
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
        title="Ticks a minute",
        unit="count",
        on_aws=[Line(legend="ticks", over={"it": Source("stack", "RolloutTicks")})],
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
        on_aws=_each(
            lambda track: Line(
                legend=track,
                expression="{these} / PERIOD({these})",
                over={"these": _figure(LogFigure.REQUESTS, track)},
            )
        ),
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
        on_aws=[
            Line(
                legend="candidate",
                expression="{candidate} / ({stable} + {candidate})",
                over={track: _figure(LogFigure.REQUESTS, track) for track in TRACKS},
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
        on_aws=_each(
            lambda track: Line(
                legend=track,
                expression="FILL({errors}, 0) / {requests}",
                over={
                    "errors": Source(track, "HTTPCode_Target_5XX_Count"),
                    "requests": Source(track, "RequestCount"),
                },
            )
        ),
    ),
    Panel(
        group="Traffic",
        title="P95 by track",
        unit="seconds",
        queries=[Query("track:edge_request_seconds:p95_5m", "{{track}}")],
        warn=1.2,
        limit=1.5,
        on_aws=_each(lambda track: Line(legend=track, over={"it": Source(track, "TargetResponseTime", "p95")})),
    ),
    Panel(
        group="Traffic",
        title="429 by track",
        unit="share",
        queries=[Query("track:edge_limited:ratio5m", "{{track}}")],
        warn=0.05,
        on_aws=_of_requests(LogFigure.LIMITED),
    ),
    Panel(
        group="Traffic",
        title="Answers by a mock or a fallback",
        unit="share",
        queries=[Query("track:edge_mock:ratio5m", "{{track}}")],
        limit=0.02,
        on_aws=_of_requests(LogFigure.MOCK),
    ),
    Panel(
        group="Data",
        title="Audit inserts a minute",
        unit="count",
        queries=[Query("job:audit_inserts:per_minute5m", "inserts")],
        on_aws=[
            Line(
                legend="inserts",
                expression="60 * ({stable} + {candidate}) / PERIOD({stable})",
                over={track: _figure(LogFigure.AUDIT_WRITES, track) for track in TRACKS},
            )
        ],
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
        title="Audit entries kept elsewhere",
        unit="per second",
        queries=[
            Query('sum by (store) (rate(web_next_audit_inserts_total{job="app", store!="postgres"}[5m]))', "{{store}}")
        ],
        on_aws=_each(
            lambda track: Line(
                legend=track,
                expression="{these} / PERIOD({these})",
                over={"these": _figure(LogFigure.AUDIT_ELSEWHERE, track)},
            )
        ),
    ),
    Panel(
        group="Data",
        title="Oldest alert",
        unit="seconds",
        queries=[Query('max(web_next_queue_oldest_job_age_seconds{queue="deliver"})', "waits")],
        limit=300,
        on_aws=_of_stack(waits="oldestAlertSeconds"),
    ),
    Panel(
        group="Data",
        title="Deliveries of alerts",
        unit="per second",
        queries=[Query("sum by (outcome) (rate(web_next_alert_deliveries_total[5m]))", "{{outcome}}")],
    ),
    Panel(
        group="Data",
        title="Alert queues",
        unit="count",
        queries=[
            Query("max by (queue, state) (web_next_queue_jobs)", "{{queue}} {{state}}"),
            Query("max(web_next_outbox_pending)", "outbox"),
        ],
        on_aws=_of_stack(outbox="outboxPending", dead_letters="deadLetters"),
    ),
    Panel(
        group="Data",
        title="Auto-pauses",
        unit="count",
        queries=[Query("sum by (track) (web_next_auto_pauses_total)", "{{track}}")],
        on_aws=_each(lambda track: Line(legend=track, over={"it": _figure(LogFigure.AUTO_PAUSES, track)})),
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
        on_aws=[
            Line(
                legend=f"{track} without {name}",
                expression="{these} / PERIOD({these})",
                over={"these": _figure(figure, track)},
            )
            for track in TRACKS
            for name, figure in {
                "audit": LogFigure.MOCK_AUDIT,
                "evidence": LogFigure.MOCK_EVIDENCE,
                "queue": LogFigure.MOCK_QUEUE,
                "guardrails": LogFigure.MOCK_GUARDRAILS,
            }.items()
        ],
    ),
    Panel(
        group="Dependencies",
        title="What answers",
        unit="count",
        queries=[Query("min by (job, dependency) (web_next_dependency_up)", "{{job}} {{dependency}}")],
    ),
    Panel(
        group="Dependencies",
        title="Calls that nobody answered",
        unit="count",
        on_aws=[
            Line(legend=f"{track} without {name}", over={"it": _figure(figure, track)})
            for track in TRACKS
            for name, figure in {
                "postgres": LogFigure.AWAY_POSTGRES,
                "redis": LogFigure.AWAY_REDIS,
                "executor": LogFigure.AWAY_EXECUTOR,
                "s3": LogFigure.AWAY_S3,
                "flags or secrets": LogFigure.AWAY_SETTINGS,
            }.items()
        ],
    ),
    Panel(
        group="Measurement",
        title="What can be measured",
        unit="count",
        queries=[Query("up", "{{job}} {{track}}")],
        on_aws=[
            *_each(
                lambda track: Line(
                    legend=f"healthy tasks of {track}", over={"it": Source(track, "HealthyHostCount", "Maximum")}
                )
            ),
            Line(legend="tasks of the worker", over={"it": Source("worker", "RunningTaskCount", "Maximum")}),
        ],
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
