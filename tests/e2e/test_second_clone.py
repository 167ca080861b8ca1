"""A second clone on the same machine, used the way the README says, beside whatever this clone runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from offline.machine import ROOT, Machine, cache_folder

pytestmark = pytest.mark.e2e


class Clone:
    """A clean copy of the project's files, and a newcomer's empty home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self.home = folder / "home"
        self.home.mkdir()
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).exists():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.folder / name)

    def make(self, *arguments: str) -> str:
        """Runs make in an environment that has nothing of this clone's in it."""
        path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if "web-next-cutover" not in part)
        kept = {name: os.environ[name] for name in ("GOPROXY", "GOFLAGS") if name in os.environ}
        done = subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env={
                **kept,
                "PATH": path,
                "HOME": str(self.home),
                "LANG": "C.UTF-8",
                "XDG_CACHE_HOME": str(cache_folder().parent),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f"make {' '.join(arguments)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def files(self) -> set[str]:
        """Every file but the clone's own state and what Python compiles."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return {str(path) for path in found if path.parts[0] != ".local" and "__pycache__" not in path.parts}


def objects(machine: Machine) -> set[str]:
    """The ids of a clone's containers, running or not, and the names of its volumes and networks."""
    engine = docker.from_env()
    mine = {"label": machine.label}
    return {
        *(str(each.id) for each in engine.containers.list(all=True, filters=mine)),
        *(str(each.name) for each in engine.volumes.list(filters=mine)),
        *(str(each.name) for each in engine.networks.list(filters=mine)),
    }


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    made = Clone(tmp_path_factory.mktemp("second"))
    yield made
    made.make("clean")


def test_make_up_ends_with_go_beside_this_clone_which_it_leaves_alone(clone: Clone) -> None:
    mine = Machine.load()
    before = objects(mine)

    text = clone.make("up")

    theirs = Machine.load(clone.folder)
    assert text.strip().splitlines()[-1].strip() == f"GO  web-next 1.5.1 at https://localhost:{theirs.edge_port}"
    assert objects(mine) == before
    assert objects(theirs)
    assert theirs.subnet != mine.subnet
    assert theirs.account != mine.account


def test_a_second_make_up_changes_nothing(clone: Clone) -> None:
    text = clone.make("up")
    assert re.search(r"^  local: \d+ same$", text, re.MULTILINE)
    assert "made " not in text


def test_after_down_up_brings_the_same_data_back(clone: Clone) -> None:
    clone.make("down")
    theirs = Machine.load(clone.folder)
    running = docker.from_env().containers.list(filters={"label": theirs.label})
    assert running == []

    text = clone.make("up")

    written = re.search(r"Audit Postgres .* entry (\d+) written", text)
    assert written
    assert int(written[1]) > 2, "the audit log was not kept: two runs wrote to it before this one"


def test_the_offline_shape_of_prod_needs_no_credentials_and_writes_nothing(clone: Clone) -> None:
    before = clone.files()
    text = clone.make("preview", "STACK=prod")
    assert "OFFLINE SHAPE of prod" in text
    assert "aws:rds:Instance audit create" in text
    assert "errored" not in text
    assert clone.files() == before


def test_clean_forgets_the_clone_and_nothing_else(clone: Clone) -> None:
    mine, theirs = Machine.load(), Machine.load(clone.folder)
    before = objects(mine)

    clone.make("clean")

    assert objects(theirs) == set()
    assert objects(mine) == before
    assert not (clone.folder / ".local").exists()


def test_the_home_of_the_user_was_not_touched(clone: Clone) -> None:
    assert [path.name for path in clone.home.iterdir() if path.name in (".pulumi", ".aws", "go")] == []
