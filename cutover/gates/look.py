"""One look at a running rollout: probe both tracks, count since the phase began, judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from cutover.gates.counting import count
from cutover.gates.gate import Gate
from cutover.gates.probe import Probes, probes
from cutover.gates.samples import Sample
from cutover.prometheus import Prometheus
from outputs.release import Adapter, Track
from outputs.smoke import EdgeSummary

TRIES, APART = 2, 3.0
"""So often, so many seconds apart, nothing can be said before it is no data: a scrape that was late is not."""


class JudgedPhase(Protocol):
    """What of a phase the gates need."""

    @property
    def name(self) -> str: ...
    @property
    def gates(self) -> Sequence[Gate]: ...


def look(
    edge: EdgeSummary,
    metrics_url: str,
    phase: JudgedPhase,
    *,
    rollout: str,
    since: datetime,
    hold: float,
    adapters: Mapping[Track, Mapping[str, Adapter]],
    ask: Callable[..., Probes] = probes,
    sleep: Callable[[float], None] = time.sleep,
) -> Sample:
    """What is seen now of a phase that began at `since` and holds for `hold` seconds; `judged` says what it means.

    Fails by nothing that it meets: what cannot be asked is in the sample too. The probe comes first: a shared thing
    that is away is known by it before the requests that wait for that thing have failed.
    """
    asked = ask(edge, breaches=any(gate.of == "breaches" for gate in phase.gates))
    with Prometheus.at(metrics_url) as prometheus:
        for tried in range(TRIES):
            if tried:
                sleep(APART)
            counts = count(prometheus, since, datetime.now(UTC), adapters=adapters, breach=asked.breach)
            if not counts.blind:
                break
    return Sample(
        **vars(counts),
        rollout=rollout,
        phase=phase.name,
        hold=hold,
        gates=phase.gates,
        adapters=adapters,
        probes=asked,
    )
