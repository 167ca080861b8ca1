"""The stand-in provider plugins, installed in the clone's own PULUMI_HOME and nowhere else."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path

from offline.bootstrap import pulumi, python
from offline.bootstrap.runner import Job, State, Step, StepError
from offline.machine import ROOT

PACKAGES = ("aws", "docker", "postgresql", "random")
PULUMI_HOME = ROOT / ".local" / "pulumi"


def official() -> bool:
    """True if the person wants the official providers (PROVIDERS=official); StepError for an unknown word."""
    choice = os.environ.get("PROVIDERS", "standins")
    if choice not in ("standins", "official"):
        raise StepError(f"PROVIDERS={choice} is neither standins nor official; correct or unset it")
    return choice == "official"


class Plugins(Step):
    """A plugin per package that starts the stand-in of this clone, under the version its SDK asks for."""

    name = "plugins"
    needs = ("pulumi", "venv")

    def check(self) -> State:
        if official():
            found = [p for p in PACKAGES for folder in _folders(p) if _is_standin(folder, p)]
            return State(not found, "official ones, acquired when needed" if not found else "stand-ins installed")
        missing = [package for package in PACKAGES if not _installed(package)]
        return State(not missing, f"missing: {' '.join(missing)}" if missing else _phrase())

    def act(self, job: Job) -> str:
        for package in PACKAGES:
            for folder in _folders(package):
                if _is_standin(folder, package):
                    shutil.rmtree(folder)
        if official():
            return "stand-ins removed; the official ones are acquired when needed"
        for package in PACKAGES:
            self._install(package, job)
        return _phrase()

    def _install(self, package: str, job: Job) -> None:
        version = _version(package)
        if version is None:
            raise StepError(
                f"pulumi_{package} is not in .venv: add it to the group program in pyproject.toml, "
                "run `make pins`, then `make up`"
            )
        environment = {**os.environ, "PULUMI_HOME": str(PULUMI_HOME), "PULUMI_SKIP_UPDATE_CHECK": "true"}
        with tempfile.TemporaryDirectory() as draft:
            executable = Path(draft) / f"pulumi-resource-{package}"
            executable.write_text(_script(package))
            executable.chmod(0o755)
            command = (pulumi.bin_folder() / "pulumi", "plugin", "install", "resource", package, version)
            job.run(*command, "--file", draft, "--reinstall", env=environment)


def _script(package: str) -> str:
    root, interpreter = shlex.quote(str(ROOT)), shlex.quote(str(python.VENV_PYTHON))
    return f'#!/bin/sh\nPYTHONPATH={root} exec {interpreter} -m offline.standins {package} "$@"\n'


def _installed(package: str) -> bool:
    folder = PULUMI_HOME / "plugins" / f"resource-{package}-v{_version(package)}"
    try:
        return (folder / f"pulumi-resource-{package}").read_text() == _script(package)
    except FileNotFoundError:
        return False


def _folders(package: str) -> list[Path]:
    return [path for path in (PULUMI_HOME / "plugins").glob(f"resource-{package}-v*") if path.is_dir()]


def _is_standin(folder: Path, package: str) -> bool:
    executable = folder / f"pulumi-resource-{package}"
    if not executable.is_file() or executable.stat().st_size > 4096:
        return False
    return "offline.standins" in executable.read_text(errors="replace")


def _version(package: str) -> str | None:
    for path in python.VENV_LINK.glob(f"lib/python3*/site-packages/pulumi_{package}/pulumi-plugin.json"):
        version: str = json.loads(path.read_text())["version"]
        return version
    return None


def _phrase() -> str:
    return f"stand-ins for {' '.join(PACKAGES)}"
