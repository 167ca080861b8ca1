"""The source of a docker stack: its Prometheus, which scrapes edge and apps every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from cutover.gates.counting import count
from cutover.gates.counts import Counts
from cutover.gates.gate import Gate
from cutover.gates.known import require_known
from cutover.gates.plan import Traffic
from cutover.gates.rises import LATE
from cutover.prometheus import Prometheus
from outputs.release import Adapter, Track

TRIES, APART = 2, 3.0
"""So often, so many seconds apart, nothing can be said before it is no data: a scrape that was late is not."""


@dataclass(frozen=True)
class Scraped:
    """Prometheus' figures of both tracks."""

    prometheus: Prometheus
    sleep: Callable[[float], None] = time.sleep
    late: ClassVar[timedelta] = timedelta(seconds=LATE)

    def count(
        self,
        since: datetime,
        *,
        adapters: Mapping[Track, Mapping[str, Adapter]],
        breach: datetime | None = None,
    ) -> Counts:
        """What was counted since a moment; where Prometheus does not say, nothing, and why in `blind`."""
        for tried in range(TRIES):
            if tried:
                self.sleep(APART)
            counts = count(self.prometheus, since, datetime.now(UTC), adapters=adapters, breach=breach)
            if not counts.blind:
                break
        return counts

    def require_known(self, gates: Iterable[Gate], adapters: Mapping[Track, Mapping[str, Adapter]]) -> None:
        """Returns when Prometheus has each metric of the gates. Raises what `known.require_known` raises."""
        require_known(self.prometheus, gates, adapters)

    def traffic(self) -> Traffic:
        """The mean of the last hour, or of what there is of it. Raises what Prometheus raises."""
        return Traffic(
            requests=self._rate("web_next_edge_answers_total", "edge"),
            audit_writes=self._rate("web_next_audit_inserts_total", "app"),
        )

    def _rate(self, metric: str, job: str) -> float:
        found = self.prometheus.query(f'sum(rate({metric}{{job="{job}",traffic="user"}}[1h]))')
        return float(found[0]["value"][1]) if found else 0.0
