"""Which Pulumi CLI this clone uses: the person's own, the official release, or one built here."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

from offline.bootstrap import artifact, golang
from offline.bootstrap.runner import Job, State, Step, StepError, StoppedError
from offline.machine import cache_folder

MINIMUM = (3, 259, 0)
INSTALLER_HOST = "get.pulumi.com"
INSTALLER_SECONDS = 2.0
CHOICES = ("auto", "path", "installer", "modules")


class Pulumi(Step):
    """A `pulumi` of 3.259.0 or newer with its Python language host beside it.

    The environment variable PULUMI narrows where it may come from: path, installer or modules.
    """

    name = "pulumi"

    def check(self) -> State:
        folder, note = _find()
        if folder is None:
            return State(False, note or "none yet")
        return State(True, f"{_describe(folder)}{note}")

    def act(self, job: Job) -> str:
        choice = _choice()
        _, note = _on_path()
        if choice == "path":
            raise StepError(
                f"PULUMI=path, but {note or 'no pulumi is on PATH'}; {_dotted(MINIMUM)} or newer with "
                "pulumi-language-python beside it is needed: upgrade it, or run without PULUMI=path"
            )
        folder = _install(job) if choice in ("auto", "installer") and _installer_answers() else None
        if folder is None and choice == "installer":
            raise StepError(f"PULUMI=installer, but {INSTALLER_HOST} gave no release; run without PULUMI=installer")
        if folder is None:
            folder = golang.build(job)
        return f"{_describe(folder / 'bin')}{f' ({note})' if note else ''}"


def bin_folder() -> Path:
    """The folder of the CLI in use; StepError before the step is done."""
    folder, _ = _find()
    if folder is None:
        raise StepError("there is no Pulumi CLI yet: run `make up`")
    return folder


def _find() -> tuple[Path | None, str]:
    choice = _choice()
    own, note = _on_path() if choice in ("auto", "path") else (None, "")
    if own is not None:
        return own, ""
    remark = f" ({note})" if note else ""
    if choice in ("auto", "installer") and artifact.is_complete(_release_folder()):
        return _release_folder() / "bin", remark
    if choice in ("auto", "modules") and artifact.is_complete(golang.toolchain_folder()):
        return golang.toolchain_folder() / "bin", remark
    return None, note


def _on_path() -> tuple[Path | None, str]:
    """Returns the folder of the person's own suitable pulumi, or None and why it is not."""
    entries = os.environ.get("PATH", "").split(os.pathsep)
    outside = [entry for entry in entries if not Path(entry).is_relative_to(cache_folder())]
    found = shutil.which("pulumi", path=os.pathsep.join(outside))
    if found is None:
        return None, ""
    version = _version(found)
    if not MINIMUM <= version < (MINIMUM[0] + 1,):
        return None, f"{found} is {_dotted(version) or 'broken'}, not {_dotted(MINIMUM)} or newer"
    folder = Path(found).resolve().parent
    if not os.access(folder / "pulumi-language-python", os.X_OK):
        return None, f"{found} has no pulumi-language-python beside it"
    return folder, ""


def _version(command: str | Path) -> tuple[int, ...]:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    asked = subprocess.run([command, "version"], capture_output=True, text=True, check=False, env=environment)
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", asked.stdout.strip())
    return tuple(map(int, found.groups())) if found else ()


def _describe(folder: Path) -> str:
    if folder == golang.toolchain_folder() / "bin":
        return f"{golang.VERSION}, built from Go modules"
    if folder == _release_folder() / "bin":
        return f"{_dotted(MINIMUM)}, official release"
    return f"{_dotted(_version(folder / 'pulumi'))} of {folder}"


def _release_folder() -> Path:
    return cache_folder() / f"pulumi-{_dotted(MINIMUM)}"


def _installer_answers() -> bool:
    try:
        socket.create_connection((INSTALLER_HOST, 443), timeout=INSTALLER_SECONDS).close()
    except OSError:
        return False
    return True


def _install(job: Job) -> Path | None:
    """Runs the official installer into the cache; None if it does not work, whatever the reason."""
    folder = _release_folder()

    def make(target: Path) -> None:
        job.phase = "official installer"
        script = target / "install.sh"
        with urllib.request.urlopen(f"https://{INSTALLER_HOST}/install.sh", timeout=10) as answer:
            script.write_bytes(answer.read())
        options = ("--version", _dotted(MINIMUM), "--install-root", target, "--no-edit-path")
        job.run("sh", script, *options)
        if _version(target / "bin" / "pulumi") != MINIMUM:
            raise StepError("the installer gave no working pulumi")

    try:
        artifact.build(folder, job, make)
    except StoppedError:
        raise
    except (StepError, OSError) as error:
        job.say(f"the official installer failed ({error}), so builds from Go modules")
        return None
    return folder


def _choice() -> str:
    choice = os.environ.get("PULUMI", "auto")
    if choice not in CHOICES:
        raise StepError(f"PULUMI={choice} is none of {', '.join(CHOICES)}; correct or unset it")
    return choice


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
