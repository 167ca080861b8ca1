"""The programs that are built from Go modules into .local/bin, beside the Pulumi CLI."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from offline.bootstrap import artifact, golang
from offline.bootstrap.runner import Job, State, Step
from offline.machine import ROOT, cache_folder

FOLDER = ROOT / ".local" / "bin"
FLAGS = ("-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags=-s -w")


class Program(Step):
    """A static program for this machine's architecture: `program` in .local/bin, built of `package` in `sources`."""

    program: str
    package = "."
    sources: Path

    def check(self) -> State:
        built, copy = self.binary(), FOLDER / self.program
        done = copy.is_file() and artifact.is_complete(built.parent) and filecmp.cmp(built, copy, shallow=False)
        return State(done, str(copy.relative_to(ROOT)) if done else "none yet")

    def act(self, job: Job) -> str:
        built, copy = self.build(job), FOLDER / self.program
        FOLDER.mkdir(parents=True, exist_ok=True)
        draft = copy.with_name(f"{copy.name}.new")
        shutil.copy(built, draft)
        draft.replace(copy)
        return str(copy.relative_to(ROOT))

    def binary(self) -> Path:
        """Where the built program is, or will be; the folder's name changes with anything that goes into it."""
        files = sorted([self.sources / "go.mod", self.sources / "go.sum", *self.sources.rglob("*.go")])
        return cache_folder() / f"{self.program}-{artifact.pin([*FLAGS, *files])}" / self.program

    def build(self, job: Job) -> Path:
        """Builds the program unless it is there and returns its path. Takes about a minute on two cores."""
        program = self.binary()
        caches = program.parent.with_name(f"{program.parent.name}.caches")

        def make(target: Path) -> None:
            go, environment = golang.compiler(job, caches)
            job.phase = f"building {self.program}"
            command = (go, "build", *FLAGS, "-o", target / program.name, self.package)
            job.run(*command, cwd=self.sources, env=environment)

        artifact.build(program.parent, job, make)
        shutil.rmtree(caches, ignore_errors=True)
        return program


class Entrypoint(Program):
    """vault-exec, which puts a vault's secrets into its child's environment; to be copied into an image."""

    name = "entrypoint"
    program = "vault-exec"
    sources = ROOT / "webnext" / "entrypoint"


class Actionlint(Program):
    """actionlint, which `make lint` reads the workflows with: its package on PyPI would download it from elsewhere."""

    name = program = "actionlint"
    package = "github.com/rhysd/actionlint/cmd/actionlint"
    sources = ROOT / "offline" / "actionlint"
