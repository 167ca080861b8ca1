"""vault-exec, the program that puts a vault's secrets into its child's environment, built from webnext/entrypoint."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from offline.bootstrap import artifact, golang
from offline.bootstrap.runner import Job, State, Step
from offline.machine import ROOT, cache_folder

SOURCES = ROOT / "webnext" / "entrypoint"
PROGRAM = ROOT / ".local" / "bin" / "vault-exec"
FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w")


class Entrypoint(Step):
    """A static vault-exec for this machine's architecture, to be copied into an image."""

    name = "entrypoint"

    def check(self) -> State:
        built = binary()
        done = PROGRAM.is_file() and artifact.is_complete(built.parent) and filecmp.cmp(built, PROGRAM, shallow=False)
        return State(done, str(PROGRAM.relative_to(ROOT)) if done else "none yet")

    def act(self, job: Job) -> str:
        build(job)
        PROGRAM.parent.mkdir(parents=True, exist_ok=True)
        draft = PROGRAM.with_name(f"{PROGRAM.name}.new")
        shutil.copy(binary(), draft)
        draft.replace(PROGRAM)
        return str(PROGRAM.relative_to(ROOT))


def binary() -> Path:
    """Where the built program is, or will be; the folder's name changes with anything that goes into it."""
    files = sorted([SOURCES / "go.mod", SOURCES / "go.sum", *SOURCES.rglob("*.go")])
    return cache_folder() / f"vault-exec-{artifact.pin([*FLAGS, *files])}" / "vault-exec"


def build(job: Job) -> Path:
    """Builds the program unless it is there and returns its path. Takes about a minute on two cores."""
    program = binary()
    caches = program.parent.with_name(f"{program.parent.name}.caches")

    def make(target: Path) -> None:
        go, environment = golang.compiler(job, caches)
        job.phase = "building vault-exec"
        job.run(go, "build", *FLAGS, "-o", target / program.name, ".", cwd=SOURCES, env=environment)

    artifact.build(program.parent, job, make)
    shutil.rmtree(caches, ignore_errors=True)
    return program
