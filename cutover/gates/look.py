"""One look at a running rollout: probe both tracks, count since the phase began, judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from cutover.errors import unforeseen
from cutover.gates.counts import Counts
from cutover.gates.gate import Gate
from cutover.gates.probe import Probes, probes
from cutover.gates.samples import Sample
from cutover.gates.source import Adapters, Source
from outputs.smoke import EdgeSummary


class JudgedPhase(Protocol):
    """What of a phase the gates need."""

    @property
    def name(self) -> str: ...
    @property
    def gates(self) -> Sequence[Gate]: ...


def look(
    edge: EdgeSummary,
    source: Source,
    phase: JudgedPhase,
    *,
    rollout: str,
    since: datetime,
    hold: float,
    adapters: Adapters,
    ask: Callable[..., Probes] = probes,
) -> Sample:
    """What is seen now of a phase that began at `since` and holds for `hold` seconds; `judged` says what it means.

    Fails by nothing that it meets: what cannot be asked is in the sample too, and so is an error of cutover's own in
    counting. The probe comes first: a shared thing that is away is known by it before the requests that wait for that
    thing have failed.
    """
    asked = ask(edge, breaches=any(gate.of == "breaches" for gate in phase.gates))
    try:
        counts = source.count(since, adapters=adapters, breach=asked.breach)
    except Exception as error:  # the probe is judged all the same, and the gates have no data
        counts = Counts.unknown(since, datetime.now(UTC), unforeseen(error))
    return Sample(
        **vars(counts),
        rollout=rollout,
        phase=phase.name,
        hold=hold,
        gates=phase.gates,
        adapters=adapters,
        probes=asked,
    )
