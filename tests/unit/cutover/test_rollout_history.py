"""A rollout's history: all revisions from the bucket, what this machine knows while it is away, and the samples."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest

from cutover.errors import UnreachableError
from cutover.evidence.bucket import RecordsBucket
from cutover.gates.samples import SAMPLES, Sample
from cutover.rollout.history import Change, History, kept_changes
from cutover.rollout.record import Record
from tests.support.memory_bucket import WRITTEN, Memory
from tests.support.rollout_states import BEGUN, CANARY, HELD, PREPARED, STAGED, named

NOW = BEGUN + timedelta(hours=1)


@dataclass
class Versions:
    """A bucket that has these versions of the record, or is away."""

    kept: list[tuple[datetime, bytes]] = field(default_factory=list)
    away: bool = False
    asked: int = 0

    def versions(self, key: str) -> list[tuple[datetime, bytes]]:
        self.asked += 1
        assert key == "rollout.json"
        if self.away:
            raise UnreachableError("the records bucket does not answer")
        return self.kept

    def at(self, key: str) -> str:
        return f"s3://records/{key}"

    @property
    def bucket(self) -> RecordsBucket:
        return cast(RecordsBucket, self)


def versions(*records: Record) -> Versions:
    """Newest first, as S3 lists them."""
    return Versions([(record.since, record.text().encode()) for record in reversed(records)])


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "local")


def test_the_bucket_has_every_revision_of_the_rollout_and_no_others(
    history: History, capsys: pytest.CaptureFixture[str]
) -> None:
    before = replace(PREPARED, id="20261101T000000Z", revision=3)
    kept = versions(before, PREPARED, CANARY, STAGED)
    kept.kept.append((BEGUN, b"no record of this revision's form"))

    assert kept_changes(kept.bucket, PREPARED.id) == [
        Change.of(record, record.since) for record in (PREPARED, CANARY, STAGED)
    ]
    assert "are of another form and count as none: 1, " in capsys.readouterr().err


def test_the_bucket_is_asked_once_a_revision(history: History) -> None:
    kept = versions(PREPARED, CANARY)
    first = history.changes(CANARY, NOW, kept.bucket)

    assert history.changes(CANARY, NOW, kept.bucket) == first
    assert (kept.asked, [change.revision for change in first]) == (1, [7, 8])


def test_while_the_bucket_is_away_what_is_known_and_the_records_own_change_are_told(history: History) -> None:
    history.changes(CANARY, NOW, versions(PREPARED, CANARY).bucket)
    told = history.changes(HELD, NOW, Versions(away=True).bucket)

    assert [(change.revision, change.at) for change in told] == [
        (7, PREPARED.since),
        (8, CANARY.since),
        (10, NOW),
    ]
    assert told[-1].hold == HELD.hold


def test_a_new_rollout_begins_a_new_history(history: History) -> None:
    history.changes(CANARY, NOW, versions(PREPARED, CANARY).bucket)
    new = replace(PREPARED, id="20261130T000000Z", revision=12)

    assert [change.id for change in history.changes(new, NOW)] == [new.id]


def written(history: History, *samples: Sample) -> None:
    for sample in samples:
        sample.append_to(history.folder)


def test_samples_are_those_of_the_rollout_and_a_line_that_was_cut_off_is_left_out(history: History) -> None:
    own = list(named("inconclusive").samples)
    written(history, replace(own[0], rollout="another"), *own)
    with (history.folder / SAMPLES).open("a") as lines:
        lines.write(list(history.lines(CANARY.id))[-1][:-20])

    assert [counts.until for counts in history.samples(CANARY.id)] == [sample.until for sample in own]
    assert history.samples(CANARY.id)[-1].candidate == own[-1].candidate


def test_of_many_samples_as_many_as_a_page_takes_are_spread_over_all_with_the_last(history: History) -> None:
    own = list(named("inconclusive").samples)
    written(history, *own)
    found = [counts.until for counts in history.samples(CANARY.id, most=10)]

    assert len(own) == 72
    assert len(found) == 9
    assert found[-1] == own[-1].until
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(seconds=80)}


def test_before_the_first_tick_there_are_no_samples(history: History) -> None:
    assert history.samples(CANARY.id) == []


def test_every_version_that_is_kept_is_read_with_when_it_was_written() -> None:
    bucket = Memory().bucket
    etag = bucket.replace("rollout.json", b"a", None)
    bucket.replace("rollout.json", b"b", etag)
    bucket.put_new("rollout.json.other", b"c")

    assert bucket.versions("rollout.json") == [(WRITTEN, b"a"), (WRITTEN, b"b")]
