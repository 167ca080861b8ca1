"""Images and emulator: what their own modules make, as steps."""

from __future__ import annotations

import os
import subprocess

from offline.bootstrap import python
from offline.bootstrap.runner import Job, State, Step, StepError
from offline.machine import ROOT


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """Returns the command that runs a module of the project with the project's Python."""
    return (str(python.VENV_PYTHON), "-m", name, *arguments)


def environment() -> dict[str, str]:
    """Returns the environment in which the project's modules are found."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def ask(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a quick question; a missing Python answers 127."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), cwd=ROOT)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", ".venv is not there")


class Images(Step):
    """The container images, from Debian packages."""

    name = "images"
    needs = ("docker", "venv")

    def check(self) -> State:
        asked = ask(*module("offline.images.build", "--check"))
        return State(asked.returncode == 0, _last_line(asked) or "not built")

    def act(self, job: Job) -> str:
        job.run(*module("offline.images.build"), env=environment(), cwd=ROOT)
        return _result(ask(*module("offline.images.build", "--check")))


class Emulator(Step):
    """The AWS emulator, running at this clone's address."""

    name = "emulator"
    needs = ("network", "images", "ministack", "tls", "venv")

    def check(self) -> State:
        asked = ask(*module("offline.emulator", "status"))
        return State(asked.returncode == 0, _last_line(asked) or "not running")

    def act(self, job: Job) -> str:
        job.run(*module("offline.emulator", "start"), env=environment(), cwd=ROOT)
        return _result(ask(*module("offline.emulator", "status")))


class StackFile(Step):
    """`Pulumi.local.yaml`: this machine's addresses and images as the settings of the stack `local`."""

    name = "stack"
    needs = ("network", "images", "venv")

    def check(self) -> State:
        asked = ask(*module("offline.stackfile", "--check"))
        return State(asked.returncode == 0, _last_line(asked))

    def act(self, job: Job) -> str:
        job.run(*module("offline.stackfile"), env=environment(), cwd=ROOT)
        return _result(ask(*module("offline.stackfile", "--check")))


def _result(asked: subprocess.CompletedProcess[str]) -> str:
    if asked.returncode != 0:
        raise StepError(f"the check after it says: {_last_line(asked)}; run `make up` again")
    return _last_line(asked)


def _last_line(asked: subprocess.CompletedProcess[str]) -> str:
    lines = (asked.stdout.strip() or asked.stderr.strip()).splitlines()
    return lines[-1].strip() if lines else ""
