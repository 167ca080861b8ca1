"""Artifacts that clones share."""

from __future__ import annotations

import io
import multiprocessing
import os
import sys
import time
from pathlib import Path

import pytest

from offline.bootstrap import artifact
from offline.bootstrap.console import Console
from offline.bootstrap.runner import Job

pytestmark = pytest.mark.timeout(30)


def job(tmp_path: Path) -> Job:
    return Job("step", tmp_path / "step.log", Console(io.StringIO()))


def test_a_complete_artifact_is_not_built_again(tmp_path: Path) -> None:
    built: list[Path] = []
    for _ in range(2):
        artifact.build(tmp_path / "thing", job(tmp_path), built.append)
    assert len(built) == 1
    assert artifact.is_complete(tmp_path / "thing")


def test_an_interrupted_artifact_is_built_again_from_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "thing"

    def full_disk(target: Path) -> None:
        (target / "half").touch()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        artifact.build(folder, job(tmp_path), full_disk)
    assert not artifact.is_complete(folder)

    artifact.build(folder, job(tmp_path), lambda target: (target / "whole").touch())
    assert artifact.is_complete(folder)
    assert not (folder / "half").exists()


def slow_build(folder: Path, log: Path) -> None:
    def make(target: Path) -> None:
        with log.open("a") as lines:
            lines.write("begin\n")
        time.sleep(0.5)

    artifact.build(folder, Job("step", log.with_suffix(".log"), Console(io.StringIO())), make)


def test_two_clones_at_once_build_it_once(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    clones = [spawn.Process(target=slow_build, args=(tmp_path / "thing", tmp_path / "builds")) for _ in range(2)]
    for clone in clones:
        clone.start()
    for clone in clones:
        clone.join()
    assert [clone.exitcode for clone in clones] == [0, 0]
    assert (tmp_path / "builds").read_text() == "begin\n"


def hold(folder: Path, started: Path) -> None:
    def make(target: Path) -> None:
        script = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(1.5)"
        builder.run(sys.executable, "-c", f"{script}; pathlib.Path({str(target)!r}, 'orphan').touch()")

    builder = Job("step", started.with_suffix(".log"), Console(io.StringIO()))
    artifact.build(folder, builder, make)


def test_a_killed_builder_leaves_no_half_artifact_and_its_commands_end_first(tmp_path: Path) -> None:
    folder, started = tmp_path / "thing", tmp_path / "started"
    builder = multiprocessing.get_context("spawn").Process(target=hold, args=(folder, started))
    builder.start()
    while not started.exists():
        time.sleep(0.02)
    builder.kill()
    builder.join()
    assert folder.is_dir()
    assert not artifact.is_complete(folder)
    artifact.build(folder, job(tmp_path), lambda target: (target / "whole").touch())
    time.sleep(0.2)
    assert sorted(path.name for path in folder.iterdir()) == [artifact.MARKER, "whole"]


def test_a_pin_changes_with_any_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    before = artifact.pin(["flag", file])
    assert artifact.pin(["flag", file]) == before
    assert artifact.pin(["other", file]) != before
    file.write_text("two")
    assert artifact.pin(["flag", file]) != before
    assert artifact.pin(["ab", "c"]) != artifact.pin(["a", "bc"]), "parts do not run into each other"


def test_what_was_built_is_on_the_disk_before_the_mark_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked: list[bool] = []
    monkeypatch.setattr(os, "sync", lambda: marked.append(artifact.is_complete(tmp_path / "thing")))

    artifact.build(tmp_path / "thing", job(tmp_path), lambda target: (target / "whole").touch())

    assert marked == [False]
    assert artifact.is_complete(tmp_path / "thing")
