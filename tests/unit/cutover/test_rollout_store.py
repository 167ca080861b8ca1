"""Where a rollout's record is kept: written on a condition, and copied to this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cutover.errors import CutoverError, UnreachableError
from cutover.gates.samples import SAMPLES
from cutover.rollout.effects import ConflictError
from cutover.rollout.journal import Entry, Journal
from cutover.rollout.record import KEY, Record, State
from cutover.rollout.store import Copy, Store
from tests.support.memory_bucket import Memory
from tests.support.rollouts import RECORD


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_a_record_is_read_as_it_was_written(memory: Memory) -> None:
    store = Store(memory.bucket)
    assert store.read() is None

    store.write(RECORD, None)
    kept = store.read()

    assert kept
    assert kept.record.text() == RECORD.text() == memory.s3.objects[KEY].decode()


def test_of_two_who_have_read_the_same_one_writes(memory: Memory) -> None:
    store = Store(memory.bucket)
    store.write(RECORD, None)
    kept = store.read()
    assert kept

    store.write(replace(RECORD, revision=5, state=State.STAGED), kept.etag)
    with pytest.raises(ConflictError, match=r"revision 5 of rollout r7 was not written, somebody else's was first"):
        store.write(replace(RECORD, revision=5, hold="wait"), kept.etag)
    with pytest.raises(ConflictError):
        store.write(RECORD, None)

    now = store.read()
    assert now
    assert (now.record.state, now.record.hold) == (State.STAGED, None)


def test_what_is_no_record_is_said_to_be_none(memory: Memory) -> None:
    memory.s3.objects[KEY] = b"{}"
    with pytest.raises(CutoverError, match="was put out by another revision of the project"):
        Store(memory.bucket).read()

    memory.s3.objects[KEY] = b"not JSON"
    with pytest.raises(CutoverError, match="is no rollout record"):
        Store(memory.bucket).read()


def test_a_bucket_that_is_away_is_said_to_be_away(memory: Memory) -> None:
    memory.s3.away = True
    with pytest.raises(UnreachableError):
        Store(memory.bucket).read()
    with pytest.raises(UnreachableError):
        Store(memory.bucket).write(RECORD, None)


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "ExpiredToken", "AccessDenied"])
def test_a_bucket_that_refuses_or_is_broken_is_as_one_that_is_away(memory: Memory, code: str) -> None:
    memory.s3.refuses = code
    with pytest.raises(UnreachableError, match=rf"^s3://records/rollout.json: S3 answered {code} \(no\): try again"):
        Store(memory.bucket).read()
    with pytest.raises(UnreachableError):
        Store(memory.bucket).write(RECORD, None)


def known(copy: Copy) -> str:
    record = copy.read()
    assert record
    return record.text()


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        (replace(RECORD, revision=9), True),
        (replace(RECORD, id="r8", revision=9), False),
        (replace(RECORD, id="r6", revision=1), True),
    ],
    ids=["another revision", "another rollout", "an older one"],
)
def test_a_new_rollout_begins_its_samples_anew(tmp_path: Path, record: Record, kept: bool) -> None:
    copy = Copy("local", tmp_path)
    copy.keep(RECORD)
    (copy.folder / SAMPLES).write_text("what the looks saw\n")
    copy.keep(record)

    assert (copy.folder / SAMPLES).exists() is kept


def test_the_copy_is_the_newest_that_was_seen(tmp_path: Path) -> None:
    copy = Copy("local", tmp_path)
    assert copy.read() is None
    newer = replace(RECORD, revision=9)

    copy.keep(newer)
    copy.keep(RECORD)
    assert known(copy) == newer.text()

    another = replace(RECORD, id="r8", revision=10)
    copy.keep(another)
    assert known(copy) == another.text()
    assert [path.name for path in copy.folder.iterdir()] == [KEY]


def test_a_rollout_that_was_begun_by_a_clock_that_is_behind_is_newer_by_its_revision(tmp_path: Path) -> None:
    copy = Copy("local", tmp_path)
    copy.keep(replace(RECORD, id="20261129T120500Z", revision=9, state=State.FINISHED))
    begun = replace(RECORD, id="20261129T120100Z", revision=12)

    copy.keep(begun)
    copy.keep(replace(begun, revision=11))
    assert known(copy) == begun.text()


def test_of_a_stack_that_was_made_anew_the_first_rollout_is_newer_by_its_time(tmp_path: Path) -> None:
    copy = Copy("local", tmp_path)
    copy.keep(replace(RECORD, id="20261129T120100Z", revision=12))
    anew = replace(RECORD, id="20261130T070000Z", revision=1)

    copy.keep(anew)
    assert known(copy) == anew.text()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "local").touch()

    with pytest.raises(UnreachableError, match=r"local cannot be written \(.*make room"):
        Copy("local", tmp_path).keep(RECORD)
    assert Copy("local", tmp_path).read() is None


@pytest.mark.parametrize("text", ["", RECORD.text()[:100], "{}"], ids=["empty", "cut off", "of another form"])
def test_a_copy_that_cannot_be_read_counts_as_none_for_a_turn_is_said_to_be_there_and_is_written_over(
    tmp_path: Path, text: str
) -> None:
    copy = Copy("local", tmp_path)
    assert copy.found() is None
    copy.keep(RECORD)
    (copy.folder / KEY).write_text(text)

    assert copy.read() is None
    with pytest.raises(
        UnreachableError, match=r"rollout\.json is there and cannot be read \(.*: cutover tick -s local"
    ):
        copy.found()
    copy.keep(RECORD)
    assert known(copy) == RECORD.text()


@pytest.mark.parametrize(
    ("file", "write"),
    [
        (KEY, lambda folder: Copy(folder.name, folder.parent).keep(RECORD)),
        ("journal.json", lambda folder: Journal(folder).write(Entry(rollout="r7", revision=4, left=["record"]))),
    ],
    ids=["copy", "journal"],
)
def test_what_is_kept_here_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, write: Callable[[Path], None]
) -> None:
    folder, synced = tmp_path / "local", []

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        synced.append((path == folder, (folder / file).exists(), path.is_file() and path.stat().st_size > 0))

    monkeypatch.setattr(os, "fsync", fsync)
    write(folder)

    assert synced == [(False, False, True), (True, True, False)]


def test_a_copy_that_is_the_record_already_is_not_written_at_every_tick(tmp_path: Path) -> None:
    copy = Copy("local", tmp_path)
    copy.keep(RECORD)
    seen = copy.read()
    assert seen
    before = (copy.folder / KEY).stat().st_ino

    copy.keep(seen)
    assert (copy.folder / KEY).stat().st_ino == before
