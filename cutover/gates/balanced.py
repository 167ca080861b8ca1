"""The source of a stack on AWS: CloudWatch, by the minute, some minutes late."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from cutover.cloudwatch import CloudWatch
from cutover.errors import CutoverError
from cutover.gates.counts import Counts, Stretch, points
from cutover.gates.gate import Gate
from cutover.gates.minutes import MINUTE, Minutes, ceil, floor
from cutover.gates.on_aws import NEEDED, TrackMetrics
from cutover.gates.plan import Traffic
from outputs.log_figures import LogFigure
from outputs.release import Adapter, Track
from outputs.rollout import LONGEST_HOLD

SETTLES = timedelta(minutes=3)
"""So long after its end a minute's figures may still change: the balancer's come after one or two minutes, those of a
log after one to three."""
GRACE = timedelta(minutes=2)
"""A minute that is not there by then, beyond that, is no data."""
NEWEST = 5 * MINUTE
"""Audit entries a minute are a mean of these."""
PAUSE = timedelta(seconds=70)
"""Within it a breach is followed by an audited pause (playbook, decision 15), and the pause's line is in the log."""
LOOKED = timedelta(minutes=15)
LONGEST = 2 * LONGEST_HOLD
"""A phase that lasts longer, held or in a freeze, is judged by its newest: the figures of 3.7 days are all that
CloudWatch gives in a second, and a tick has 50 s to read them."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Balanced:
    """CloudWatch's figures of both tracks."""

    cloudwatch: CloudWatch
    tracks: Mapping[Track, TrackMetrics]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    late: ClassVar[timedelta] = SETTLES + MINUTE

    def count(
        self,
        since: datetime,
        *,
        adapters: Mapping[Track, Mapping[str, Adapter]],
        breach: datetime | None = None,
    ) -> Counts:
        """What was counted since a moment, or where that is longer ago than `LONGEST` whole hours later, until the end
        of the newest minute that has settled and arrived; where CloudWatch says nothing, why in `blind`."""
        settled = self._settled()
        since += max(0, (settled - since - LONGEST) // HOUR) * HOUR
        try:
            return self._count(since, settled, adapters, breach)
        except CutoverError as error:
            return Counts.unknown(since, self.clock(), str(error))

    def _count(
        self,
        since: datetime,
        settled: datetime,
        adapters: Mapping[Track, Mapping[str, Adapter]],
        breach: datetime | None,
    ) -> Counts:
        asked = Minutes.asked(self.cloudwatch, self.tracks, min(floor(since), settled - NEWEST), settled)
        phase, recent = asked.since(ceil(since)), asked.since(settled - NEWEST).arrived()
        arrived = phase.arrived()
        until = arrived.moments[-1] + MINUTE if arrived.moments else since
        whole = arrived.without_outages(adapters)
        bound = whole.slow_bound() if whole.moments else None
        blind = [*_late(phase, until), *whole.disagreements()]
        tracks = {track: whole.counts(track, adapters[track], bound) for track in self.tracks}
        if after := _after(asked, since, until, breach):
            paused = after.total(LogFigure.AUTO_PAUSES) > 0
            tracks["candidate"] = replace(tracks["candidate"], breaches=1, breaches_not_paused=0 if paused else 1)
            if len(after.arrived().moments) < len(after.moments):
                blind.append(f"CloudWatch has not all minutes after the breach of {breach:%H:%M:%S}")
        return Counts(
            since=since,
            until=until,
            observed=whole.seconds,
            stable=tracks["stable"],
            candidate=tracks["candidate"],
            stretches=[self._stretch(whole.since(moment), moment, adapters, bound) for moment in points(since, until)],
            slow_bound=bound,
            audit_per_minute=round(60 * recent.total(LogFigure.AUDIT_WRITES) / max(recent.seconds, 60), 1),
            blind=blind,
        )

    def require_known(self, gates: Iterable[Gate], _adapters: Mapping[Track, Mapping[str, Adapter]]) -> None:
        """Returns when CloudWatch has had each figure of the gates within the newest quarter of an hour.

        Raises CutoverError naming the gate and the figure that is missing, and what `CloudWatch.minutes` raises.
        """
        settled = self._settled()
        seen = Minutes.asked(self.cloudwatch, self.tracks, settled - LOOKED, settled)
        for gate in gates:
            for count in (gate.bad, gate.of):
                if count not in NEEDED:
                    raise CutoverError(f"gate {gate.name!r} counts {count!r}: known are {', '.join(NEEDED)}")
                for track in self.tracks.values():
                    for metric in (track.healthy, *(track.logged(figure) for figure in NEEDED[count])):
                        if not seen.figures[metric]:
                            raise CutoverError(
                                f"gate {gate.name!r} needs {metric.name} of {track.track}, and CloudWatch has none of "
                                f"{settled - LOOKED:%H:%M} to {settled:%H:%M} UTC: a release that has just come up has "
                                "figures five minutes later; else bring the base up with this revision"
                            )

    def traffic(self) -> Traffic:
        """The mean of the last hour, or of what there is of it. Raises what `CloudWatch.minutes` raises."""
        settled = self._settled()
        seen = Minutes.asked(self.cloudwatch, self.tracks, settled - timedelta(hours=1), settled)
        minutes = max(len(seen.figures[track.logged(LogFigure.REQUESTS)]) for track in self.tracks.values())
        seconds = max(minutes, 1) * MINUTE.total_seconds()
        return Traffic(
            requests=seen.total(LogFigure.REQUESTS) / seconds,
            audit_writes=seen.total(LogFigure.AUDIT_WRITES) / seconds,
        )

    def _settled(self) -> datetime:
        """The end of the newest minute that has settled."""
        return floor(self.clock() - SETTLES)

    def _stretch(
        self,
        late: Minutes,
        since: datetime,
        adapters: Mapping[Track, Mapping[str, Adapter]],
        bound: float | None,
    ) -> Stretch:
        stable, candidate = (late.counts(track, adapters[track], bound) for track in self.tracks)
        return Stretch(since=since, stable=stable, candidate=candidate)


def _late(phase: Minutes, until: datetime) -> list[str]:
    """Why nothing can be said of now: the newest minutes that have settled are not there, for longer than GRACE."""
    missing = phase.since(until)
    if missing.seconds <= GRACE.total_seconds():
        return []
    return [f"CloudWatch has nothing of {missing.missing(missing.moments[-1])} since {until:%H:%M} UTC"]


def _after(asked: Minutes, since: datetime, until: datetime, breach: datetime | None) -> Minutes | None:
    """The minutes in which the newest breach is to be followed by a pause; None without one to judge, or before."""
    if breach is None or breach < since or floor(breach + PAUSE) + MINUTE > until:
        return None
    return replace(asked, moments=[at for at in asked.moments if floor(breach) <= at <= breach + PAUSE])
