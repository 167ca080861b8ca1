"""What ships to AWS stands alone: the program of prod needs nothing of offline/, webnext/, tests/ or bench/."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cutover.review.shape import PROGRAM, scratch_copy
from offline.machine import ROOT
from tests.support import fence
from tests.unit.infra.configs import FARGATE
from tests.unit.infra.parts import run

RUN = """
import json, os, runpy, sys

os.chdir(sys.argv[1])
sys.path[:0] = sys.argv[1:]
from tests.unit.infra.recorder import record

made = record(lambda: runpy.run_path("__main__.py") and None)
print(json.dumps([[one.token, one.name, one.inputs] for one in made.registered]))
"""
"""Runs the program of the first folder, recorded by the rig in the second, and prints what it declares."""
RIG = ("tests/unit/infra/recorder.py", "tests/unit/infra/configs.py", "offline/base/prod.json")
Row = tuple[str, str, str]


def rows(declared: list[list[object]]) -> set[Row]:
    """Type, name and inputs of each resource; those of the schema's provider are its code, pickled with its path."""
    found = set()
    for token, name, inputs in declared:
        assert isinstance(inputs, dict)
        plain = {key: value for key, value in inputs.items() if key != "__provider"}
        found.add((str(token), str(name), json.dumps(plain, sort_keys=True)))
    return found


def declared_in(folder: Path) -> subprocess.CompletedProcess[str]:
    rig = folder.with_name("rig")
    for name in RIG:
        (rig / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, rig / name)
    environment = fence.ENVIRONMENT | {"PATH": os.environ["PATH"], "PULUMI_CONFIG": json.dumps(FARGATE)}
    command = [sys.executable, "-I", "-c", RUN, str(folder), str(rig)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """A copy that holds only what ships."""
    folder = tmp_path / "ring"
    folder.mkdir()
    scratch_copy(folder)
    return folder


def test_the_program_of_prod_declares_the_same_without_offline_webnext_bench_and_tests(
    ring: Path,
) -> None:
    assert not {"offline", "webnext", "bench", "tests"} & {path.name for path in ring.iterdir()}
    whole = rows([[one.token, one.name, one.inputs] for one in run(FARGATE).registered])

    alone = declared_in(ring)

    assert alone.returncode == 0, alone.stderr
    assert len(whole) > 100
    assert rows(json.loads(alone.stdout)) == whole


def test_a_program_that_imports_what_does_not_ship_is_found(ring: Path) -> None:
    module = ring / "infra" / "naming.py"
    module.write_text(f"{module.read_text()}\nimport offline.machine\n")

    assert "No module named 'offline.machine'" in declared_in(ring).stderr


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_the_pages_name_what_ships_and_every_other_folder_once(page: str) -> None:
    table = re.findall(r"^\| (.+?) \| (ships|stage|reference|proof) \|", (ROOT / page).read_text(), re.MULTILINE)
    said: dict[str, set[str]] = {ring: set() for _, ring in table}
    for cells, ring in table:
        said[ring] |= {name.rstrip("/") for name in re.findall(r"`([\w./]+)`", cells)}
    shipped = {name for name in PROGRAM if name != "Pulumi.yaml"}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} | {".github"}
    assert said["ships"] == shipped
    assert sorted(name for names in said.values() for name in names) == sorted(folders | {"__main__.py"})
