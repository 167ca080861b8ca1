"""What is down, and who is told: errors and slow answers, fallbacks that last, a balancer with nobody behind it, tasks
that are gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import pulumi

from infra.alarm import Alarm, Formula, Metric, declare
from outputs.log_figures import LogFigure
from outputs.release import Track

ERRORS_PERCENT, ERRORS_LEAST = 5, 5
"""The share of a minute's answers, and their number, above which errors are an alarm. Ten a minute anybody can cause;
of a single request one error is all."""
SLOW_SECONDS = 1.5
"""Playbook row 8: the limit of P95."""
FALLBACKS: Mapping[str, tuple[LogFigure, str]] = {
    "audit": (LogFigure.MOCK_AUDIT, "audit entries are kept by the executor or in S3, or lists come from the executor"),
    "evidence": (LogFigure.MOCK_EVIDENCE, "addresses for evidence come from the executor"),
    "queue": (LogFigure.MOCK_QUEUE, "alerts are kept by Redis alone, or counted in Postgres alone"),
    "guardrails": (LogFigure.MOCK_GUARDRAILS, "guardrails are shown as they were known last"),
}
"""What is counted of each adapter's fallback, and what it means."""
AWAY = (
    LogFigure.AWAY_POSTGRES,
    LogFigure.AWAY_REDIS,
    LogFigure.AWAY_EXECUTOR,
    LogFigure.AWAY_S3,
    LogFigure.AWAY_SETTINGS,
)
LASTING, AMONG = 5, 10
"""Minutes: of a fallback, and those among which they are: who asks every other minute meets it as well."""
_of_balancer = partial(Metric, namespace="AWS/ApplicationELB")
_lasting = partial(
    Alarm, beyond="GreaterThanOrEqualToThreshold", threshold=1, periods=AMONG, enough=LASTING, missing="notBreaching"
)


def track_alarms(track: str, target_group: Mapping[str, pulumi.Input[str]]) -> Iterator[Alarm]:
    """Of a track whose target group has these dimensions. The first ends a deployment."""
    metric = partial(_of_balancer, dimensions=target_group)
    yield Alarm(
        name=f"{track}-errors",
        says=f"{track} answers more than {ERRORS_PERCENT} %, and {ERRORS_LEAST} a minute, with 5xx, for three minutes",
        of=_share(
            errors=metric(name="HTTPCode_Target_5XX_Count", statistic="Sum"),
            requests=metric(name="RequestCount", statistic="Sum"),
            all_of_them="requests",
        ),
        beyond="GreaterThanThreshold",
        threshold=ERRORS_PERCENT,
        periods=3,
        missing="notBreaching",
    )
    yield Alarm(
        name=f"{track}-slow",
        says=f"P95 of {track} is above {SLOW_SECONDS} s, for five minutes",
        of=metric(name="TargetResponseTime", statistic="p95"),
        beyond="GreaterThanThreshold",
        threshold=SLOW_SECONDS,
        periods=5,
        missing="notBreaching",
    )


def fallback_alarms(track: Track, namespace: pulumi.Input[str], real: Collection[str]) -> Iterator[Alarm]:
    """Of what answers in the place of a track's adapters that are `real`, counted in its log."""
    for adapter in (name for name in FALLBACKS if name in real):
        figure, what = FALLBACKS[adapter]
        yield _lasting(
            name=f"{track}-fallback-{adapter}",
            says=f"in {LASTING} of {AMONG} minutes something answered in the place of {track}'s {adapter}: {what}",
            of=Metric(namespace=namespace, name=figure.of(track), statistic="Sum"),
        )


def away_alarm(track: Track, namespace: str) -> Alarm:
    """Of what does not answer a track's app, counted in its log, whatever its adapters are."""
    metric = partial(Metric, namespace=namespace, statistic="Sum")
    return _lasting(
        name=f"{track}-away",
        says=f"in {LASTING} of {AMONG} minutes something did not answer {track}'s app, which goes on without; its log "
        "says what is away",
        of=Formula(
            expression=" + ".join(f"a{number}" for number in range(len(AWAY))),
            over={f"a{number}": metric(name=figure.of(track)) for number, figure in enumerate(AWAY)},
        ),
    )


def balancer_alarm(balancer: pulumi.Input[str]) -> Alarm:
    """Of the balancer with this ARN suffix. It counts a request only once it has a target for it, so that without any
    all that it answers are errors and no request."""
    metric = partial(_of_balancer, dimensions={"LoadBalancer": balancer})
    return Alarm(
        name="balancer-errors",
        says=f"the load balancer answers more than {ERRORS_PERCENT} %, and {ERRORS_LEAST} a minute, with 5xx itself, "
        "for two minutes: no target is healthy, or none answers in time",
        of=_share(
            errors=metric(name="HTTPCode_ELB_5XX_Count", statistic="Sum"),
            requests=metric(name="RequestCount", statistic="Sum"),
            all_of_them="(errors + FILL(requests, 0))",
        ),
        beyond="GreaterThanThreshold",
        threshold=ERRORS_PERCENT,
        periods=2,
        missing="notBreaching",
    )


def standing_alarms(
    target_group: Mapping[str, pulumi.Input[str]], worker: Mapping[str, pulumi.Input[str]], worker_tasks: int
) -> Iterator[Alarm]:
    """Of stable's target group and of the worker's service, by their dimensions. Silence counts as nobody there.

    A candidate's app has no such alarm: while it has traffic its absence is the balancer's errors.
    """
    yield Alarm(
        name="stable-hosts",
        says="for two minutes no task of stable is healthy, or nobody says that one is: the console is down",
        of=_of_balancer(name="HealthyHostCount", dimensions=target_group, statistic="Maximum"),
        beyond="LessThanThreshold",
        threshold=1,
        periods=2,
        missing="breaching",
    )
    yield worker_alarm("worker", worker, worker_tasks)


def worker_alarm(name: str, service: Mapping[str, pulumi.Input[str]], tasks: int) -> Alarm:
    """Of a worker's service, by its dimensions."""
    return Alarm(
        name=f"{name}-tasks",
        says=f"{name} has fewer than {tasks} tasks for five minutes: alerts are late, or stay",
        of=Metric(namespace="ECS/ContainerInsights", name="RunningTaskCount", dimensions=service, statistic="Maximum"),
        beyond="LessThanThreshold",
        threshold=tasks,
        periods=5,
        missing="breaching",
    )


def _share(*, errors: Metric, requests: Metric, all_of_them: str) -> Formula:
    """Errors in percent of all, 0 for fewer than the least. A minute without errors has no datum."""
    return Formula(
        expression=f"IF(errors >= {ERRORS_LEAST}, 100 * errors / {all_of_them}, 0)",
        over={"errors": errors, "requests": requests},
    )


@dataclass(frozen=True, kw_only=True)
class StandingAlarmsArgs:
    """`alarms` tell `topic`, an ARN; their names begin with `prefix`."""

    prefix: pulumi.Input[str]
    topic: pulumi.Input[str]
    alarms: list[Alarm]

    @classmethod
    def of(cls, prefix: pulumi.Input[str], topic: pulumi.Input[str], alarms: Iterable[Alarm]) -> StandingAlarmsArgs:
        return cls(prefix=prefix, topic=topic, alarms=list(alarms))


class StandingAlarms(pulumi.ComponentResource):
    """Alarms on what must always be there: made after it, or its first minutes would be an alarm."""

    def __init__(self, name: str, args: StandingAlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:StandingAlarms", name, None, opts)
        for alarm in args.alarms:
            declare(name, args.prefix, args.topic, alarm, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})
