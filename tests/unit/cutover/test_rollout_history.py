"""A rollout's history: all revisions from the bucket, what this machine knows while it is away, and the samples."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from cutover.errors import UnreachableError
from cutover.evidence.bucket import RecordsBucket
from cutover.gates.samples import SAMPLES
from cutover.rollout.history import Change, History, kept_changes, samples_text
from cutover.rollout.record import Record
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

    @property
    def bucket(self) -> RecordsBucket:
        return cast(RecordsBucket, self)


def versions(*records: Record) -> Versions:
    """Newest first, as S3 lists them."""
    return Versions([(record.since, record.text().encode()) for record in reversed(records)])


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "local")


def test_the_bucket_has_every_revision_of_the_rollout_and_no_others(history: History) -> None:
    before = replace(PREPARED, id="20261101T000000Z", revision=3)
    kept = versions(before, PREPARED, CANARY, STAGED)
    kept.kept.append((BEGUN, b"no record of this revision's form"))

    assert kept_changes(kept.bucket, PREPARED.id) == [
        Change.of(record, record.since) for record in (PREPARED, CANARY, STAGED)
    ]


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


def test_samples_are_those_since_and_a_line_that_was_cut_off_is_left_out(history: History) -> None:
    samples = list(named("inconclusive").samples)
    history.folder.mkdir()
    (history.folder / SAMPLES).write_text(samples_text(samples) + '{"since": "2026-11-')

    found = [counts.output() for counts in history.samples(BEGUN)]
    assert found == [counts.output() for counts in samples]
    assert [counts.until for counts in history.samples(samples[-1].until)] == [samples[-1].until]


def test_before_the_first_tick_there_are_no_samples(history: History) -> None:
    assert history.samples(BEGUN) == []


def test_versions_are_read_with_when_they_were_written() -> None:
    class Client:
        class exceptions:  # noqa: N801 - as boto3 calls it
            NoSuchKey = KeyError

        def get_paginator(self, name: str) -> Any:
            assert name == "list_object_versions"
            return self

        def paginate(self, **asked: str) -> list[dict[str, Any]]:
            own = [{"Key": "rollout.json", "VersionId": version, "LastModified": BEGUN} for version in "ba"]
            return [{"Versions": [*own, {"Key": "rollout.json.other", "VersionId": "c"}]}, {}]

        def get_object(self, **asked: str) -> dict[str, Any]:
            import io

            return {"Body": io.BytesIO(asked["VersionId"].encode())}

    assert RecordsBucket("b", Client()).versions("rollout.json") == [(BEGUN, b"b"), (BEGUN, b"a")]
