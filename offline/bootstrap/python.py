"""The virtual environments: the project's, and the emulator's own."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from offline import pip
from offline.bootstrap import artifact
from offline.bootstrap.runner import Job, State, Step, StepError
from offline.machine import ROOT, cache_folder

REQUIREMENTS = ROOT / "requirements-dev.txt"  # the program's and the service's packages are among them
EMULATOR_REQUIREMENTS = ROOT / "offline" / "emulator" / "requirements.txt"
GO_REQUIREMENTS = ROOT / "offline" / "toolchain" / "requirements.txt"
VENV_LINK = ROOT / ".venv"
VENV_PYTHON = VENV_LINK / "bin" / "python"


def venv_folder() -> Path:
    """Where the project's virtual environment is, or will be; clones with the same pins share it."""
    return _folder("venv", REQUIREMENTS)


def emulator_folder() -> Path:
    """Where the emulator's virtual environment is, or will be."""
    return _folder("emulator", EMULATOR_REQUIREMENTS)


def go_folder() -> Path:
    """Where Go is, or will be, if it comes from PyPI."""
    return _folder("go", GO_REQUIREMENTS)


def _folder(kind: str, requirements: Path) -> Path:
    interpreter = (sys.version, sysconfig.get_platform(), sys.base_prefix)
    return cache_folder() / f"{kind}-{artifact.pin([*interpreter, requirements])}"


class Venv(Step):
    """The packages of requirements-dev.txt, compiled, and the `.venv` link to them."""

    name = "venv"

    def check(self) -> State:
        folder = venv_folder()
        if not _usable(folder):
            return State(False, f"{folder.name} is not built")
        linked = VENV_LINK.is_symlink() and VENV_LINK.resolve() == folder.resolve()
        return State(linked, f"{folder.name}, {_python_version()}" if linked else ".venv does not link to it")

    def act(self, job: Job) -> str:
        folder = venv_folder()
        if VENV_LINK.exists() and not VENV_LINK.is_symlink():
            raise StepError(".venv is a folder of your own; it must be a link into the cache: move it away")
        install(folder, REQUIREMENTS, job)
        draft = VENV_LINK.with_name(".venv.new")
        draft.unlink(missing_ok=True)
        draft.symlink_to(folder)
        draft.replace(VENV_LINK)
        return f"{folder.name}, {_python_version()}"


class EmulatorVenv(Step):
    """The emulator's packages, apart from the project's."""

    name = "ministack"

    def check(self) -> State:
        folder = emulator_folder()
        done = _usable(folder)
        return State(done, folder.name if done else f"{folder.name} is not built")

    def act(self, job: Job) -> str:
        folder = emulator_folder()
        install(folder, EMULATOR_REQUIREMENTS, job)
        return folder.name


def _usable(folder: Path) -> bool:
    return artifact.is_complete(folder) and (folder / "bin" / "python").exists()


def install(folder: Path, requirements: Path, job: Job) -> None:
    """Makes a virtual environment of the packages of a requirement file; StepError if a hash is wrong."""
    if artifact.is_complete(folder) and not _usable(folder):
        (folder / artifact.MARKER).unlink()
    python = folder / "bin" / "python"

    def make(_: Path) -> None:
        job.phase = "venv"
        job.run(sys.executable, "-m", "venv", folder)
        job.phase = "pip install"
        options = ("--no-compile", *pip.OPTIONS, "-r", requirements)
        job.run(python, "-m", "pip", "install", *options, words=pip.last_words)
        job.phase = "compile"
        job.run(python, "-m", "compileall", "-q", "-j", str(os.cpu_count() or 1), _site_packages(folder))

    artifact.build(folder, job, make)


def _site_packages(folder: Path) -> Path:
    return folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _python_version() -> str:
    return "Python " + ".".join(map(str, sys.version_info[:3]))
