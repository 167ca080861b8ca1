"""What CloudWatch has of one track: figures of its target group at the load balancer, and of its log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from cutover.cloudwatch import Metric
from cutover.errors import CutoverError
from outputs.log_figures import LogFigure
from outputs.release import Adapter, Track
from outputs.smoke import Places
from outputs.traffic import FargateTraffic

BALANCER = "AWS/ApplicationELB"
BOUNDS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.2, 1.5, 2.5, 5.0, 10.0)
"""Seconds: as many as the edge's histogram has on docker, of those that a gate may compare with."""
MOCKS = {
    "audit": LogFigure.MOCK_AUDIT,
    "evidence": LogFigure.MOCK_EVIDENCE,
    "queue": LogFigure.MOCK_QUEUE,
    "guardrails": LogFigure.MOCK_GUARDRAILS,
}
"""What was answered in the place of each adapter."""
AWAY = {
    "postgres": LogFigure.AWAY_POSTGRES,
    "redis": LogFigure.AWAY_REDIS,
    "executor": LogFigure.AWAY_EXECUTOR,
    "s3": LogFigure.AWAY_S3,
}
"""Failed calls of what both tracks share."""
_REQUESTS = (LogFigure.REQUESTS, LogFigure.OTHERS, LogFigure.LIMITED)
_LIMITED = (LogFigure.REQUESTS, LogFigure.LIMITED, LogFigure.LIMITED_BY_APP)
_WRITES = (LogFigure.AUDIT_WRITES, LogFigure.AUDIT_ELSEWHERE)
NEEDED: Mapping[str, tuple[LogFigure, ...]] = {
    "asked": _REQUESTS,
    "requests": _REQUESTS,
    "errors": (*_REQUESTS, LogFigure.LEFT),
    "slower_than_1500ms": _REQUESTS,
    "slower_than_1200ms": _REQUESTS,
    "slower_than_stable": _REQUESTS,
    "fallbacks": tuple(MOCKS.values()),
    "limited_by_edge": _LIMITED,
    "limited_by_app": _LIMITED,
    "audit_writes": _WRITES,
    "audit_elsewhere": _WRITES,
    "audit_timed": _WRITES,
    "audit_slower_than_100ms": (LogFigure.AUDIT_SLOW,),
    "breaches": (LogFigure.AUTO_PAUSES,),
    "breaches_not_paused": (LogFigure.AUTO_PAUSES,),
}
"""The figures of the log that each field of TrackCounts is made of, beside those of the load balancer."""


@dataclass(frozen=True)
class TrackMetrics:
    """The metrics of a track, in the stack's `namespace` and of its target `group`, by that one's dimensions."""

    track: Track
    namespace: str
    group: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, track: Track, traffic: FargateTraffic, places: Places) -> Self:
        """Those of a stack on AWS. Raises CutoverError where its metrics are elsewhere."""
        if places.namespace is None:
            raise CutoverError(
                f"the metrics are at {places.metrics_url}, and behind a load balancer gates go by CloudWatch: bring "
                "the base up with this revision, and begin the rollout anew"
            )
        return cls(track, places.namespace, tuple(traffic.dimensions(track).items()))

    def logged(self, figure: LogFigure) -> Metric:
        """A figure of the log. It is 0 in a minute with lines of other kinds alone, and absent without any."""
        return Metric(self.namespace, figure.of(self.track), "Sum")

    @property
    def sent(self) -> Metric:
        """Requests for which the balancer chose a target of the group."""
        return self._balanced("RequestCount")

    @property
    def answered(self) -> list[Metric]:
        """What targets answered. A class of answers without any is absent."""
        return [self._balanced(f"HTTPCode_Target_{first}XX_Count") for first in (2, 3, 4, 5)]

    @property
    def failed(self) -> Metric:
        """The last class of them."""
        return self.answered[-1]

    @property
    def timed(self) -> Metric:
        """How many answers were timed, from the request to the answer's head."""
        return self._balanced("TargetResponseTime", "SampleCount")

    @property
    def longest(self) -> Metric:
        """The longest of them, in seconds."""
        return self._balanced("TargetResponseTime", "Maximum")

    def slower(self, bound: float) -> Metric:
        """Those of them that took longer than so many seconds."""
        return self._balanced("TargetResponseTime", f"TC({bound:g}:)")

    @property
    def healthy(self) -> Metric:
        """Healthy targets: a figure of every minute in which the group has targets, asked or not."""
        return self._balanced("HealthyHostCount", "Maximum")

    def all(self) -> Iterator[Metric]:
        """All of them."""
        yield from (self.logged(figure) for figure in LogFigure)
        yield from (self.sent, *self.answered, self.timed, self.longest, self.healthy)
        yield from (self.slower(bound) for bound in BOUNDS)

    def fallbacks(self, adapters: Mapping[str, Adapter]) -> list[Metric]:
        """What was answered in the place of an adapter that is real by the settings."""
        return [self.logged(figure) for name, figure in MOCKS.items() if adapters.get(name) == "production"]

    def _balanced(self, name: str, statistic: str = "Sum") -> Metric:
        return Metric(BALANCER, name, statistic, self.group)
