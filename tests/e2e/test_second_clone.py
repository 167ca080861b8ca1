"""A second clone on the same machine, used the way the README says, beside whatever this clone runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container

from offline.emulator.launcher import Emulator
from offline.emulator.process import Process
from offline.images.build import Images
from offline.machine import ROOT, Machine, cache_folder
from tests.support import fence

pytestmark = pytest.mark.e2e

PREVIEW = "make preview STACK=prod"
"""Of a stack on AWS, without credentials."""


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
        return self.run("make", *arguments)

    def run(self, *command: str) -> str:
        """Runs a command as `make` does; a person who is asked whether to go on says yes."""
        path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if "web-next-cutover" not in part)
        kept = {name: os.environ[name] for name in ("GOPROXY", "GOFLAGS") if name in os.environ}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={
                **fence.ENVIRONMENT,
                **kept,
                "PATH": path,
                "HOME": str(self.home),
                "LANG": "C.UTF-8",
                "XDG_CACHE_HOME": str(cache_folder().parent),
                "PULUMI_SKIP_CONFIRMATIONS": "true",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def files(self) -> set[str]:
        """Every file but the clone's own state and what Python compiles."""
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*") if path.is_file())
        return {str(path) for path in found if path.parts[0] != ".local" and "__pycache__" not in path.parts}


def commands() -> list[str]:
    """What the README says to type, in its order and without its remarks; `make test` is what runs this."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`(curl [^`]+)`", (ROOT / "README.md").read_text())
    return [line for line in lines if line not in ("make up", "make check", "make test")]


def objects(machine: Machine) -> set[str]:
    """The ids of a clone's containers, running or not, and the names of its volumes and networks."""
    engine = docker.from_env()
    mine = {"label": machine.label}
    return {
        *(str(each.id) for each in engine.containers.list(all=True, filters=mine)),
        *(str(each.name) for each in engine.volumes.list(filters=mine)),
        *(str(each.name) for each in engine.networks.list(filters=mine)),
    }


@pytest.fixture
def bystander() -> Iterator[Container]:
    """A container of this clone's, as a stack that runs here has. At the end it runs, and so does the emulator."""
    mine = Emulator(Machine.load())
    process = Process.read(mine.folder / "pid")
    labels = dict([mine.machine.label.split("=")])
    container = docker.from_env().containers.run(
        Images().present()["base"], ["sleep", "1000"], labels=labels, network=mine.machine.network, detach=True
    )
    container.reload()
    before = container.attrs
    try:
        yield container
        container.reload()
        assert (container.attrs["State"], container.attrs["Mounts"]) == (before["State"], before["Mounts"])
        assert Process.read(mine.folder / "pid") == process
        assert mine.status()
    finally:
        container.remove(force=True, v=True)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    made = Clone(tmp_path_factory.mktemp("second"))
    yield made
    made.make("clean")


@pytest.mark.usefixtures("bystander")
def test_make_up_ends_with_go_beside_this_clone_which_it_leaves_alone(clone: Clone) -> None:
    text = clone.make("up")

    mine, theirs = Machine.load(), Machine.load(clone.folder)
    verdict, dashboard, pack = [line.strip() for line in text.strip().splitlines()[-3:]]
    assert verdict == f"GO  web-next 1.5.1 at https://localhost:{theirs.edge_port}"
    assert dashboard == f"dashboard  https://localhost:{theirs.edge_port}/dashboard"
    folder, _, pack_id = pack.removeprefix("pack").strip().partition("  id ")
    assert "every byte holds" in clone.run("bash", "-ec", f". .local/env; cutover verify {folder} --id {pack_id}")
    assert objects(theirs)
    assert theirs.subnet != mine.subnet
    assert theirs.account != mine.account


def test_a_second_make_up_changes_nothing(clone: Clone) -> None:
    text = clone.make("up")
    assert re.search(r"^  local: \d+ same$", text, re.MULTILINE)
    assert "made " not in text


def test_what_the_readme_says_to_type_works_as_written(clone: Clone) -> None:
    environment, *rest = commands()
    assert environment == ". .local/env"
    assert len(rest) > 10
    outputs = json.loads(clone.run("bash", "-ec", f"{environment}; cutover outputs -s local"))
    places = {  # what the README cannot know: a port of this machine, and where an image of one's own runs
        "PORT": str(Machine.load(clone.folder).edge_port),
        "http://127.0.0.1:3003": f"http://{outputs['slots']['stable']['address']}",
    }

    said = {}
    for command in rest:
        typed = command
        for shown, real in places.items():
            typed = typed.replace(shown, real)
        before = clone.files() if command == PREVIEW else set()
        said[command] = clone.run("bash", "-ec", f"{environment}; {typed}")
        if command == PREVIEW:
            assert clone.files() == before, "the offline shape writes nothing"

    assert re.search(r"^ +\d+ unchanged$", said["pulumi up -s local"], re.MULTILINE)
    assert "GO  web-next 1.5.1 at " in said["cutover smoke -s local"]
    assert "GO  web-next 1.5.1 candidate at " in said["cutover up -s local-canary"]
    assert said["cutover traffic -s local 10"].split()[-1] == "10"
    assert "OFFLINE SHAPE of prod" in said[PREVIEW]
    assert "aws:rds:Instance audit create" in said[PREVIEW]
    assert "errored" not in said[PREVIEW]
    assert json.loads(next(text for command, text in said.items() if command.startswith("curl")))["ok"]


def test_after_down_up_brings_the_same_data_back(clone: Clone) -> None:
    clone.make("down")
    theirs = Machine.load(clone.folder)
    running = docker.from_env().containers.list(filters={"label": theirs.label})
    assert running == []

    text = clone.make("up")

    written = re.search(r"Audit Postgres .* entry (\d+) written", text)
    assert written
    assert int(written[1]) > 2, "the audit log was not kept: two runs wrote to it before this one"
    assert re.search(r"^made  candidate +(web-next-local-canary-(candidate|worker)-\w+ ){2}started", text, re.MULTILINE)
    pinned = ("curl", "-sSi", "--cacert", ".local/tls/ca.pem", "-H", "x-web-next-track: candidate")
    assert "x-edge-track: candidate" in clone.run(*pinned, f"https://localhost:{theirs.edge_port}/healthz")


@pytest.mark.usefixtures("bystander")
def test_clean_forgets_the_clone_and_nothing_else(clone: Clone) -> None:
    theirs = Machine.load(clone.folder)

    clone.make("clean")

    assert objects(theirs) == set()
    assert not (clone.folder / ".local").exists()


def test_the_home_of_the_user_was_not_touched(clone: Clone) -> None:
    assert [path.name for path in clone.home.iterdir() if path.name in (".pulumi", ".aws", "go")] == []
