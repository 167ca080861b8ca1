"""`make check` is one list of stages: hooks before a commit or a push run the same ones, by the same commands.

What needs a prepared clone says so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support import fence

ROOT = Path(__file__).parents[2]
STAGES = ["format", "lint", "types", "imports", "unit"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose tools are doubles: they note how they are called, and fail where `broken-TOOL` lies."""
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "check", tmp_path / "tests" / "check")
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "env").write_text('PATH="$PWD/bin:$PATH"\n')
    (tmp_path / "bin").mkdir()
    for tool in ("bin/ruff", "tests/lint", "bin/mypy", "bin/lint-imports", "bin/python"):
        double, name = tmp_path / tool, Path(tool).name
        double.write_text(f'#!/bin/sh\necho "{name} $*" >> called\necho "said by {name}"\n[ ! -e broken-{name} ]\n')
        double.chmod(0o755)
    return tmp_path


def check(clone: Path, *stages: str) -> subprocess.CompletedProcess[str]:
    command = [str(clone / "tests" / "check"), *stages]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=fence.ENVIRONMENT | {"PATH": os.environ["PATH"]}
    )


def called(clone: Path) -> list[str]:
    return [line.split()[0] for line in (clone / "called").read_text().splitlines()]


def test_every_stage_runs_in_order_and_says_its_name_and_seconds(clone: Path) -> None:
    result = check(clone)

    assert result.returncode == 0
    assert called(clone) == ["ruff", "lint", "mypy", "lint-imports", "python"]
    assert re.findall(r"^(\w+) +(?:said by python\n)?\d+\.\d s$", result.stdout, re.MULTILINE) == STAGES


def test_a_machine_that_is_too_busy_for_mypys_workers_has_it_check_without_them(clone: Path) -> None:
    mypy = clone / "bin" / "mypy"
    refuses = "case $* in *workers*) echo 'Failed to establish connection with worker: No status file' && false;; esac"
    mypy.write_text(f"{mypy.read_text()}{refuses}\n")
    result = check(clone, "types")

    assert result.returncode == 0
    assert called(clone) == ["mypy", "mypy"]
    assert "Failed" not in result.stdout


def test_the_first_stage_that_fails_ends_it_with_what_its_command_says(clone: Path) -> None:
    (clone / "broken-mypy").touch()
    result = check(clone)

    assert result.returncode != 0
    assert called(clone) == ["ruff", "lint", "mypy"]
    assert "said by mypy" in result.stdout
    assert "said by ruff" not in result.stdout


def test_named_stages_run_alone(clone: Path) -> None:
    assert check(clone, "imports").returncode == 0
    assert called(clone) == ["lint-imports"]


def test_a_clone_that_knows_no_types_yet_begins_with_what_the_first_one_has_found(clone: Path) -> None:
    found = clone / ".mypy_cache" / "found"
    found.parent.mkdir()
    found.write_text("of the packages")
    assert check(clone, "types").returncode == 0
    shutil.rmtree(found.parent)

    assert check(clone, "types").returncode == 0

    assert found.read_text() == "of the packages"


def test_hooks_are_the_stages_of_check_and_need_nothing_from_elsewhere() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (local,) = config["repos"]

    assert local["repo"] == "local"
    assert {hook["id"]: hook["entry"] for hook in local["hooks"]} == {one: f"tests/check {one}" for one in STAGES}
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    assert not any(hook["pass_filenames"] for hook in local["hooks"])


TARGETS = [
    "smoke",
    "outputs",
    "drill-restore",
    "lint",
    "unit",
    "engine",
    "browser",
    "e2e",
    "soak",
    "fuzz",
    "pins",
    "bench",
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_clone_that_is_not_prepared_is_told_so_in_one_line(target: str, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name in ("Makefile", "tests/check"):
        shutil.copy(ROOT / name, tmp_path / name)
    told = subprocess.run(
        ["make", "--silent", target],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=fence.ENVIRONMENT | {"PATH": os.environ["PATH"]},  # not that of a make which runs this test
    )

    line, ended = (told.stdout + told.stderr).splitlines()
    assert line == "this clone is not prepared: run make up first"
    assert ended.startswith("make: *** ")
    assert line in (ROOT / "docs" / "runbook.md").read_text()


def test_a_clone_with_its_tools_alone_is_not_prepared_for_what_runs(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "env").touch()
    for target in ("smoke", "drill-restore", "engine"):
        told = subprocess.run(
            ["make", "--silent", target],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env=fence.ENVIRONMENT | {"PATH": os.environ["PATH"]},
        )
        assert told.stderr.splitlines()[0] == "this clone is not prepared: run make up first", target


def test_every_target_is_listed_in_lines_of_two_columns_and_no_file_of_its_name_is_in_its_way() -> None:
    listed = subprocess.run(
        ["make", "help"],
        cwd=ROOT,
        env=fence.ENVIRONMENT | {"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert {line[len("  make drill-restore")] for line in listed} == {" "}
    assert all(line[21] != " " for line in listed)

    makefile = (ROOT / "Makefile").read_text()
    there = re.findall(r"^([\w-]+):(?!=)", makefile, re.MULTILINE)
    assert sorted(line.split()[1] for line in listed) == sorted(there)
    assert sorted(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()) == sorted(there)
