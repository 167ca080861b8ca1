"""Which Pulumi CLI this clone uses: the person's own, or one built here from modules whose sums are pinned."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from offline.bootstrap import artifact, golang
from offline.bootstrap.runner import Job, State, Step, StepError
from offline.machine import cache_folder

MINIMUM = (3, 259, 0)
CHOICES = ("auto", "path", "modules")


class Pulumi(Step):
    """A `pulumi` of 3.259.0 or newer with its Python language host beside it.

    The environment variable PULUMI narrows where it may come from: path or modules.
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
    return f"{_dotted(_version(folder / 'pulumi'))} of {folder}"


def _choice() -> str:
    choice = os.environ.get("PULUMI", "auto")
    if choice not in CHOICES:
        raise StepError(f"PULUMI={choice} is none of {', '.join(CHOICES)}; correct or unset it")
    return choice


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
