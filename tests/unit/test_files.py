"""Small files are whole or as they were, on the disk before their name is; a torn archive is known."""

from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path

import pytest

from offline.files import is_whole, replace_text


def test_a_secret_file_is_never_readable_by_others(tmp_path: Path) -> None:
    replace_text(tmp_path / "secret", "x", 0o600)

    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_what_a_file_holds_is_on_the_disk_before_its_name_leads_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "file", list[tuple[str, str]]()
    replace_text(path, "before")
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append((path.read_text(), Path(f"/proc/self/fd/{file}").read_text()))
    )

    replace_text(path, "after")

    assert synced == [("before", "after")]
    assert path.read_text() == "after"


def test_a_write_that_fails_leaves_the_file_as_it_was_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    replace_text(path, "before")

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            replace_text(path, "after")
    assert path.read_text() == "before"

    replace_text(path, "after")
    assert path.read_text() == "after"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def archives(folder: Path) -> list[Path]:
    wheel, packed = folder / "left_pad-1.0-py3-none-any.whl", folder / "base.tar.gz"
    with zipfile.ZipFile(wheel, "w") as written:
        written.writestr("left_pad.py", os.urandom(5000))
    packed.write_bytes(gzip.compress(os.urandom(5000)))
    return [wheel, packed]


def test_an_archive_that_can_be_read_to_its_end_is_whole(tmp_path: Path) -> None:
    assert all(map(is_whole, archives(tmp_path)))


@pytest.mark.parametrize("kept", [0, 1, 4000])
def test_an_archive_that_is_empty_or_cut_is_not(tmp_path: Path, kept: int) -> None:
    for archive in archives(tmp_path):
        archive.write_bytes(archive.read_bytes()[:kept])
        assert not is_whole(archive), archive


def test_an_archive_whose_middle_was_lost_or_that_is_not_there_is_not(tmp_path: Path) -> None:
    for archive in archives(tmp_path):
        content = archive.read_bytes()
        archive.write_bytes(content[:2000] + bytes(1000) + content[3000:])
        assert not is_whole(archive), archive
        archive.unlink()
        assert not is_whole(archive), archive
