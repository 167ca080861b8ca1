"""Where the gates' figures are from: Prometheus on a docker stack, CloudWatch on AWS, as the traffic's runtime says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from cutover.gates.counts import Counts
from cutover.gates.gate import Gate
from cutover.gates.plan import Traffic
from outputs.release import Adapter, Track
from outputs.smoke import Places
from outputs.traffic import DockerTraffic, FargateTraffic

Adapters = Mapping[Track, Mapping[str, Adapter]]


class Source(Protocol):
    """What is asked of it: what has been counted since a moment, whether it has what gates ask by, and what comes.
    `late` is how long it takes at most until what happens is counted."""

    late: ClassVar[timedelta]

    def count(self, since: datetime, *, adapters: Adapters, breach: datetime | None = None) -> Counts: ...
    def require_known(self, gates: Iterable[Gate], adapters: Adapters, /) -> None: ...
    def traffic(self) -> Traffic: ...


@contextmanager
def source_of(traffic: DockerTraffic | FargateTraffic, places: Places) -> Iterator[Source]:
    """That of a base, for the block. Whoever does not answer is an error of the questions."""
    if isinstance(traffic, FargateTraffic):
        from cutover.cloudwatch import CloudWatch
        from cutover.gates.balanced import Balanced
        from cutover.gates.on_aws import TrackMetrics

        tracks: tuple[Track, ...] = ("stable", "candidate")
        yield Balanced(CloudWatch.of(places), {track: TrackMetrics.of(track, traffic, places) for track in tracks})
        return
    from cutover.gates.scraped import Scraped
    from cutover.prometheus import Prometheus

    with Prometheus.at(places.metrics_url) as prometheus:
        yield Scraped(prometheus)
