"""Traffic that a rollout's looks have recorded, as each rule would have judged it."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from bench.gates.rules import Rule
from bench.gates.traffic import STEP, Track, Traffic
from cutover.gates.evidence import Tally
from cutover.gates.samples import Sample, read
from outputs.release import Track as Name


def recorded(path: Path) -> dict[str, Traffic]:
    """Each phase's, by rollout and phase: errors of the requests at the edge. Raises CutoverError if the file has no
    samples."""
    phases = groupby(read(path), key=lambda sample: f"{sample.rollout}, {sample.phase}")
    return {name: _traffic(list(samples)) for name, samples in phases}


def verdicts(rules: Mapping[str, Rule], over: Mapping[str, Traffic]) -> Iterator[str]:
    """A line for each phase and rule."""
    for name, traffic in over.items():
        whole = traffic.candidate.between(0, traffic.candidate.seconds)
        yield f"{name}: {whole.bad} errors of {whole.of} requests in {traffic.candidate.seconds} s"
        for rule, judging in rules.items():
            ending, at = judging.judge(traffic)
            yield f"  {rule:<25} {ending:<11} after {at} s and {traffic.candidate.between(0, at).of} requests"


def _traffic(samples: Sequence[Sample]) -> Traffic:
    return Traffic(_track(samples, "candidate"), _track(samples, "stable"))


def _track(samples: Sequence[Sample], name: Name) -> Track:
    """What was counted in each step, by the last look before its end."""
    looks = [0.0, *((sample.until - sample.since).total_seconds() for sample in samples)]
    counts = [Tally(0, 0), *(Tally(sample.of(name).errors, sample.of(name).requests) for sample in samples)]
    steps, before = [], counts[0]
    for end in range(STEP, int(looks[-1]) + STEP, STEP):
        now = counts[bisect(looks, end) - 1]
        steps.append(Tally(max(0, now.bad - before.bad), max(0, now.of - before.of)))
        before = now
    return Track(steps)
