"""The offline shape of a stack on AWS: its program on a scratch copy, with a state of its own, without credentials."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cutover.errors import CutoverError, StackMissingError
from cutover.stacks.causes import cause, no_pulumi
from cutover.stacks.project import PROJECT, config

PROGRAM = ("Pulumi.yaml", "__main__.py", "infra", "cutover", "outputs", "policy", "templates", "migrations")
BASES = PROJECT / "offline" / "base"
"""For a candidate: states in which its base has outputs and nothing else."""
KEPT = {
    "account": "111122223333",
    "region": "eu-central-1",
    "domain": "console.example.com",
    "executorUrl": "https://executor.prod.example.com",
}
"""What these states have for settings that a candidate shares with its base."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where Pulumi previews a stack: in a folder, with an environment."""

    stack: str
    folder: Path
    environment: Mapping[str, str]

    def command(self, *arguments: str) -> list[str]:
        """A preview of the stack there."""
        return ["pulumi", "preview", f"--stack={self.stack}", "--non-interactive", f"--cwd={self.folder}", *arguments]

    @property
    def pack(self) -> Path | None:
        """The policy pack that judges the stack; None where there is none, as for a stack of this machine."""
        on_machine = config(self.stack).get("web-next:runtime") == "docker"
        return PROJECT / "policy" if not on_machine and (PROJECT / "policy").exists() else None


def scratch_copy(folder: Path, source: Path = PROJECT) -> None:
    """Fills the folder with a program, so that a stack's file and state are written there and not here."""
    for name in PROGRAM:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (source / name).exists():  # an earlier commit may not have it yet
            shutil.copy(source / name, folder / name)
    (folder / ".venv").symlink_to(PROJECT / ".venv")


@contextmanager
def offline(stack: str, source: Path | None = None) -> Iterator[Place]:
    """A place for the offline shape of the stack that this project declares, or another, which is gone afterwards.

    Raises StackMissingError without a stack file, NotPreparedError without Pulumi.
    """
    source = source or PROJECT
    base = config(stack).get("web-next:base")
    if not (source / f"Pulumi.{stack}.yaml").exists():
        raise StackMissingError(f"there is no Pulumi.{stack}.yaml in what it is compared with: leave --against out")
    if base and not (BASES / f"{base}.json").is_file():
        known = ", ".join(sorted(path.stem for path in BASES.glob("*.json")))
        raise StackMissingError(
            f"web-next:base is {base}: offline there are the outputs of {known} alone; name one of these"
        )
    with tempfile.TemporaryDirectory(prefix="web-next-preview-") as name:
        folder = Path(name)
        scratch_copy(folder, source)
        shutil.copy(source / f"Pulumi.{stack}.yaml", folder)
        state = folder / ".state"
        state.mkdir()
        environment = os.environ | {
            "PULUMI_BACKEND_URL": f"file://{quote(str(state))}",
            "PULUMI_CONFIG_PASSPHRASE": "offline shape",
        }
        environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        steps = [["stack", "init", stack, "--no-select"]]
        if base:
            steps += [
                ["stack", "init", base, "--no-select"],
                ["stack", "import", "--stack", base, "--file", f"{base}.json"],
            ]
            (folder / f"{base}.json").write_text(base_state(base, source))
        for step in steps:
            try:
                done = subprocess.run(
                    ["pulumi", *step], cwd=folder, env=environment, capture_output=True, text=True, check=False
                )
            except FileNotFoundError:
                raise no_pulumi() from None
            if done.returncode:
                raise cause(stack, done.stderr)
        yield Place(stack=stack, folder=folder, environment=environment)


def base_state(base: str, source: Path) -> str:
    """The kept state of a base, where and under the name that the base's file in `source` says: a candidate whose file
    says otherwise is refused, as by a base that is up. Raises as `config` does."""
    kept = (BASES / f"{base}.json").read_text()
    set_to = config(base, source)
    for key, placeholder in KEPT.items():
        kept = kept.replace(placeholder, set_to.get(f"web-next:{key}") or placeholder)
    return kept


@contextmanager
def revision(ref: str) -> Iterator[Path]:
    """A folder with the program as a commit has it. Raises CutoverError for what is no commit here."""
    with tempfile.TemporaryDirectory(prefix="web-next-revision-") as name:
        packed = Path(name, "revision.tar")
        done = subprocess.run(
            ["git", "-C", str(PROJECT), "archive", f"--output={packed}", ref],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CutoverError(f"{ref} is no commit of this clone ({done.stderr.strip()}): fetch it, or name another")
        folder = Path(name, "program")
        with tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
        yield folder
