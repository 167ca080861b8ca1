"""The whole minutes of a stretch of time on AWS: which of them have arrived, and what both tracks had in those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from cutover.cloudwatch import CloudWatch, Figures, Metric
from cutover.gates.counts import TrackCounts, away_for_both
from cutover.gates.on_aws import AWAY, BOUNDS, TrackMetrics
from cutover.gates.slow import slow_bound
from outputs.log_figures import LogFigure
from outputs.release import Adapter, Track

MINUTE = timedelta(minutes=1)
FEW = 5
"""Requests of a minute of which the neighbour may have the other figure."""
DIFFER = 0.02
"""By this share balancer and log may disagree."""
ROUGH = 1.5
"""CloudWatch knows times other than the longest by ranges."""
OWN = 15
"""Requests a minute for /healthz that come through the balancer, and that no figure of the log counts: each look of a
watch and of who waits beside it has two."""


@dataclass(frozen=True)
class Minutes:
    """The minutes that begin at `moments`, and what each of the tracks' metrics has of them."""

    tracks: Mapping[Track, TrackMetrics]
    figures: Figures
    moments: Sequence[datetime]

    @classmethod
    def asked(
        cls, cloudwatch: CloudWatch, tracks: Mapping[Track, TrackMetrics], start: datetime, end: datetime
    ) -> Self:
        """Those between two whole minutes. Raises what CloudWatch raises."""
        moments = [start + number * MINUTE for number in range(max(0, int((end - start) / MINUTE)))]
        wanted = [metric for track in tracks.values() for metric in track.all()]
        return cls(tracks, cloudwatch.minutes(wanted, start, end) if moments else {}, moments)

    @property
    def seconds(self) -> float:
        return len(self.moments) * MINUTE.total_seconds()

    def arrived(self) -> Self:
        """Those whose figures are all there."""
        return replace(self, moments=[at for at in self.moments if self.missing(at) is None])

    def without_outages(self, adapters: Mapping[Track, Mapping[str, Adapter]]) -> Self:
        """Those in which nothing that both tracks share was away for both, nor in the minute before or after."""
        out: set[datetime] = set()
        for dependency, figure in AWAY.items():
            down: dict[str, set[datetime]] = {
                track: {at for at in self.moments if self._at(metrics.logged(figure), at)}
                for track, metrics in self.tracks.items()
            }
            out |= away_for_both(dependency, down, adapters)
        return replace(self, moments=[at for at in self.moments if not out & {at - MINUTE, at, at + MINUTE}])

    def since(self, moment: datetime) -> Self:
        """Those that begin at a moment or later."""
        return replace(self, moments=[at for at in self.moments if at >= moment])

    def missing(self, at: datetime) -> str | None:
        """What has not arrived of a minute, None where all has.

        A class of answers that nobody got is absent, so zeros are believed only beside what cannot be absent: the
        count of healthy targets, each log's requests, and, where the log has requests, the balancer's count of them.
        Where the longest answer was well over a bound, some were.
        """
        if self._at(self.tracks["stable"].healthy, at) is None:
            return "the load balancer"
        for track, metrics in self.tracks.items():
            lines = self._at(metrics.logged(LogFigure.REQUESTS), at)
            if lines is None:
                return f"{track}'s log"
            sent, timed = self._at(metrics.sent, at), self._at(metrics.timed, at)
            answered = sum(self._at(each, at) or 0 for each in metrics.answered)
            if (sent is None and lines > FEW) or bool(answered) != bool(timed):
                return f"{track}'s target group"
            longest = self._at(metrics.longest, at) or 0
            if any(longest > ROUGH * bound and not self._at(metrics.slower(bound), at) for bound in BOUNDS):
                return f"the times of {track}'s target group"
        return None

    def counts(self, track: Track, adapters: Mapping[str, Adapter], bound: float | None) -> TrackCounts:
        """What a track had in them.

        Whom no target answered was failed by it, unless he left at once: by the log, which the release could write
        into, only those are taken away. A track has no fewer requests than bad ones.
        """
        metrics = self.tracks[track]
        limited, by_app = self._logged(track, LogFigure.LIMITED), self._logged(track, LogFigure.LIMITED_BY_APP)
        unanswered = self._sum([metrics.sent]) - self._sum(metrics.answered) - self._logged(track, LogFigure.LEFT)
        errors = self._sum([metrics.failed]) + max(0, unanswered)
        requests = max(errors, self._logged(track, LogFigure.REQUESTS) - limited)
        writes = self._logged(track, LogFigure.AUDIT_WRITES)
        elsewhere = self._logged(track, LogFigure.AUDIT_ELSEWHERE)

        def slower(seconds: float | None) -> int:
            return min(requests, self._sum([metrics.slower(seconds)])) if seconds else 0

        return TrackCounts(
            asked=requests + limited,
            requests=requests,
            errors=errors,
            slower_than_1500ms=slower(1.5),
            slower_than_1200ms=slower(1.2),
            slower_than_stable=slower(bound),
            fallbacks=min(requests, self._sum(metrics.fallbacks(adapters))),
            limited_by_edge=limited - by_app,
            limited_by_app=by_app,
            audit_writes=writes,
            audit_elsewhere=elsewhere,
            audit_timed=writes - elsewhere,
            audit_slower_than_100ms=self._logged(track, LogFigure.AUDIT_SLOW),
        )

    def slow_bound(self) -> float | None:
        """What 'slower than stable' is counted against."""
        stable = self.tracks["stable"]
        timed = self._sum([stable.timed])
        buckets = {bound: float(timed - self._sum([stable.slower(bound)])) for bound in BOUNDS}
        return slow_bound({**buckets, float("inf"): float(timed)})

    def total(self, figure: LogFigure) -> int:
        """What the logs of both tracks have of a figure."""
        return sum(self._logged(track, figure) for track in self.tracks)

    def disagreements(self) -> list[str]:
        """Where a track's log has not the requests that the load balancer sent it, in a clause each: lines were lost,
        or somebody else wrote some."""
        why = []
        for track, metrics in self.tracks.items():
            lines = self._logged(track, LogFigure.REQUESTS) + self._logged(track, LogFigure.OTHERS)
            sent, answered = self._sum([metrics.sent]), self._sum(metrics.answered)
            if lines < answered * (1 - DIFFER) - FEW - OWN * len(self.moments):
                why.append(f"{track}'s log has {lines} of the {answered} requests that its targets answered")
            elif lines * (1 - DIFFER) - FEW > sent:
                why.append(f"{track}'s log has {lines} requests, and the load balancer sent it {sent}")
        return why

    def _logged(self, track: Track, figure: LogFigure) -> int:
        return self._sum([self.tracks[track].logged(figure)])

    def _sum(self, metrics: Iterable[Metric]) -> int:
        return round(sum(self._at(metric, at) or 0.0 for metric in metrics for at in self.moments))

    def _at(self, metric: Metric, at: datetime) -> float | None:
        return self.figures[metric].get(at)


def floor(moment: datetime) -> datetime:
    """The begin of the minute that a moment is in."""
    return moment.replace(second=0, microsecond=0)


def ceil(moment: datetime) -> datetime:
    """The first whole minute that begins at a moment or later."""
    return floor(moment + MINUTE - timedelta(microseconds=1))
