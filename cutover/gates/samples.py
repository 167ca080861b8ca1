"""Samples: what each look of a rollout saw, a JSON object a line, and what other limits would have made of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self

from cutover.errors import CutoverError
from cutover.gates.counts import Counts
from cutover.gates.gate import Gate
from cutover.gates.judgement import Judgement, judge
from cutover.gates.probe import Probes
from cutover.gates.result import Outcome
from outputs.release import Adapter, Track
from outputs.shape import Shape

SAMPLES = "samples.jsonl"
"""In the folder of the stack's rollout on this machine."""


@dataclass(frozen=True, kw_only=True)
class Sample(Counts):
    """What was counted at one look, with all that it was judged by."""

    rollout: str
    phase: str
    hold: float
    gates: Sequence[Gate]
    adapters: Mapping[Track, Mapping[str, Adapter]]
    probes: Probes

    def judged(self, limits: Mapping[str, float] | None = None) -> Judgement:
        """What the gates say of it, those that `limits` names with that limit."""
        gates = [replace(gate, limit=(limits or {}).get(gate.name, gate.limit)) for gate in self.gates]
        return judge(gates, self, self.probes, hold=self.hold, adapters=self.adapters)

    def append_to(self, folder: Path) -> None:
        """Adds it to the samples of a rollout, whose folder is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / SAMPLES).open("a") as lines:
            lines.write(json.dumps(self.output(), sort_keys=True) + "\n")


@dataclass(frozen=True, kw_only=True)
class Tripped(Shape):
    """A gate that came to an outcome at a look, for the first time in its phase; `after` so many seconds of it."""

    rollout: str
    phase: str
    gate: str
    outcome: Outcome
    at: datetime
    after: float
    why: str

    @classmethod
    def of(cls, sample: Sample, limits: Mapping[str, float]) -> Iterator[Self]:
        """Those gates of a sample that stand in the rollout's way by what they have seen."""
        judgement = sample.judged(limits)
        for gate in judgement.gates:
            if gate.outcome in (Outcome.FAILED, Outcome.SHARED, Outcome.NO_DATA):
                yield cls(
                    rollout=sample.rollout,
                    phase=sample.phase,
                    gate=gate.name,
                    outcome=gate.outcome,
                    at=judgement.at,
                    after=judgement.elapsed,
                    why=gate.why,
                )


def replayed(samples: Iterable[Sample], limits: Mapping[str, float]) -> list[Tripped]:
    """When each gate would have tripped with these limits, in the order of time; each phase's first of a kind.

    Raises CutoverError when a limit is none, or names no gate of the samples.
    """
    taken = list(samples)
    known = {gate.name for sample in taken for gate in sample.gates}
    for name, limit in limits.items():
        if name not in known:
            raise CutoverError(f"no gate is called {name!r}: the samples have {', '.join(sorted(known))}")
        if not 0 < limit < 1:
            raise CutoverError(f"the limit {limit:g} of {name!r} is no share between 0 and 1, such as 0.01 for 1 %")
    first: dict[tuple[str, str, str, Outcome], Tripped] = {}
    for sample in taken:
        for each in Tripped.of(sample, limits):
            first.setdefault((each.rollout, each.phase, each.gate, each.outcome), each)
    return list(first.values())


def read(path: Path) -> list[Sample]:
    """The samples of a file. Raises CutoverError where it is none, naming the line."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as error:
        raise CutoverError(f"{path} cannot be read ({error.strerror}): tick writes {SAMPLES}") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(Sample.from_output(json.loads(line)))
        except ValueError as error:
            raise CutoverError(f"{path}, line {number}, is no sample ({error}): tick writes {SAMPLES}") from None
    if not found:
        raise CutoverError(f"{path} has no samples: tick adds one at each look")
    return found
