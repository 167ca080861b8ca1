"""The journal of what a turn could not reach."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from cutover.errors import CutoverError, UnreachableError
from cutover.evidence.bucket import RecordsBucket
from cutover.rollout.journal import BucketJournal, Entry, Journal
from tests.support.memory_bucket import MemoryS3


def entry(revision: int, *left: str, rollout: str = "r7") -> Entry:
    return Entry(rollout=rollout, revision=revision, left=list(left))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "rollout" / "local")


def test_what_was_left_is_read_until_nothing_is(journal: Journal) -> None:
    assert journal.read() is None
    journal.write(entry(5, "record", "flags stable"))
    assert journal.read() == entry(5, "record", "flags stable")
    journal.write(entry(5, "record"))
    assert journal.read() == entry(5, "record")
    for _ in range(2):
        journal.write(entry(6))
        assert list(journal.folder.iterdir()) == []


@pytest.mark.parametrize("late", [entry(8), entry(8, "record"), entry(3, "flags stable", rollout="r6")])
def test_an_older_turn_neither_overrides_nor_removes_what_a_newer_one_has_left(journal: Journal, late: Entry) -> None:
    newer = entry(9, "record", rollout="r8")
    journal.write(newer)
    journal.write(late)

    assert journal.read() == newer


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rollout": "r7", "revision": "four", "left": []}'])
def test_what_cannot_be_read_is_nothing_and_is_written_over(journal: Journal, text: str) -> None:
    journal.folder.mkdir(parents=True)
    (journal.folder / "journal.json").write_text(text)

    assert journal.read() is None
    journal.write(entry(5, "record"))
    assert journal.read() == entry(5, "record")


def test_a_folder_that_cannot_be_written_is_said_and_has_nothing(journal: Journal) -> None:
    journal.folder.parent.mkdir()
    journal.folder.touch()

    with pytest.raises(UnreachableError, match="cannot be written"):
        journal.write(entry(5, "record"))
    assert journal.read() is None


def write_some(folder: Path, first: int) -> None:
    for revision in range(first, 200, 4):
        Journal(folder).write(entry(revision, *(["record"] if revision % 3 else [])))


def test_of_processes_that_write_at_once_the_newest_turn_stays(journal: Journal) -> None:
    writers = [multiprocessing.Process(target=write_some, args=(journal.folder, first)) for first in range(1, 5)]
    for writer in writers:
        writer.start()
    journal.write(entry(200, "notice"))
    for writer in writers:
        writer.join()

    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    assert journal.read() == entry(200, "notice")


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


@pytest.fixture
def kept(s3: MemoryS3) -> BucketJournal:
    return BucketJournal(RecordsBucket("records", s3))


def test_in_the_bucket_too_what_was_left_is_read_until_nothing_is(kept: BucketJournal, s3: MemoryS3) -> None:
    assert kept.read() is None
    for _ in range(3):
        kept.write(entry(5, "notice"))
    assert kept.read() == entry(5, "notice")
    kept.write(entry(5))
    assert kept.read() == entry(5)
    assert len(s3.versions["journal.json"]) == 2


@pytest.mark.parametrize("late", [entry(8), entry(8, "notice"), entry(3, "flags stable", rollout="r6")])
def test_in_the_bucket_an_older_turn_overrides_nothing_even_where_the_newer_one_comes_between(
    kept: BucketJournal, s3: MemoryS3, late: Entry
) -> None:
    newer = entry(9, "notice", rollout="r8")

    class Overtaken(MemoryS3):
        def put_object(self, **given: Any) -> dict[str, str]:
            kept.write(newer)
            return s3.put_object(**given)

    BucketJournal(RecordsBucket("records", Overtaken(objects=s3.objects))).write(late)
    assert kept.read() == newer
    kept.write(late)
    assert kept.read() == newer


def test_a_bucket_that_is_away_leaves_nothing_to_read_and_what_is_not_written_down_is_said(
    kept: BucketJournal, s3: MemoryS3
) -> None:
    kept.write(entry(5, "notice"))
    s3.away = True

    assert kept.read() is None
    with pytest.raises(CutoverError):
        kept.write(entry(6, "notice"))


@pytest.mark.parametrize("text", [b"", b"{", b"[]"])
def test_what_cannot_be_read_in_the_bucket_is_written_over(kept: BucketJournal, s3: MemoryS3, text: bytes) -> None:
    s3.objects["journal.json"] = text

    assert kept.read() is None
    kept.write(entry(5, "notice"))
    assert kept.read() == entry(5, "notice")
