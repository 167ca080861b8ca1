"""Looking at the phase of a record: what its gates see and say; each look is kept as a sample on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cutover.errors import CutoverError, unforeseen
from cutover.gates.judgement import Judgement
from cutover.gates.look import look
from cutover.gates.result import Outcome
from cutover.gates.source import Source
from cutover.rollout.record import Record, Releases
from outputs.release import Adapter, Track


def judged(record: Record, source: Source, folder: Path) -> Judgement:
    """What the gates say now of the record's phase, by what a source has; the record must be in one. The sample is kept
    in `folder`, where that can be written. An error of cutover's own is no data, and why: while the candidate has users
    somebody must hold it.

    Raises CutoverError as the source does.
    """
    try:
        return _looked(record, source, folder)
    except CutoverError:
        raise
    except Exception as error:
        at = datetime.now(UTC)
        return Judgement(at=at, outcome=Outcome.NO_DATA, why=unforeseen(error), gates=(), elapsed=0, remaining=0)


def _looked(record: Record, source: Source, folder: Path) -> Judgement:
    assert record.phase
    sample = look(
        record.targets.edge,
        source,
        record.phase,
        rollout=record.id,
        since=record.since,
        hold=record.phase.hold * (2 if record.extended else 1),
        adapters=adapters_of(record.releases),
    )
    with suppress(OSError):  # the page, which comes after the tick, fails on the same disk, and is told
        sample.append_to(folder)
    return sample.judged()


def adapters_of(releases: Releases) -> Mapping[Track, Mapping[str, Adapter]]:
    """Which adapters of each track are real."""
    return {"stable": releases.stable.adapters, "candidate": releases.candidate.adapters}
