"""The offline shape of an AWS stack: a preview through the stand-ins, on a scratch copy, without credentials."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from offline import stackfile
from offline.machine import ROOT

BASES = ROOT / "offline" / "base"
PROGRAM = ("Pulumi.yaml", "__main__.py", "infra", "cutover", "outputs", "templates", "migrations")
TITLE = """\
OFFLINE SHAPE of {stack}: what the program declares, previewed through stand-in providers on a scratch copy.
It is not a diff: no account, no credentials and no state of {stack} were looked at.
"""


def scratch_copy(folder: Path) -> None:
    """Fills the folder with the program, so that a stack's file and state are written there and not here."""
    for name in PROGRAM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")


def base_of(stack: str) -> str | None:
    """The stack that a candidate stands on, by its file; None for a stack that stands by itself."""
    base: str | None = (stackfile.read(ROOT, stack).get("config") or {}).get("web-next:base")
    return base


def offline_shape(stack: str) -> int:
    """Previews the stack and returns Pulumi's exit code. A candidate stands on the state in offline/base, in which
    its base has outputs and nothing else."""
    with tempfile.TemporaryDirectory(prefix="web-next-preview-") as name:
        folder = Path(name)
        scratch_copy(folder)
        shutil.copy(ROOT / f"Pulumi.{stack}.yaml", folder)
        state = folder / ".state"
        state.mkdir()
        environment = {
            **os.environ,
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "offline shape",
        }
        environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        steps = [["stack", "init", stack, "--no-select"]]
        if base := base_of(stack):
            steps += [
                ["stack", "init", base, "--no-select"],
                ["stack", "import", "--stack", base, "--file", str(BASES / f"{base}.json")],
            ]
        for step in steps:
            done = subprocess.run(
                ["pulumi", *step], cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode:
                print(done.stderr.strip(), file=sys.stderr)
                return done.returncode
        command = ["pulumi", "preview", "--stack", stack, "--non-interactive", "--suppress-progress"]
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def main() -> int:
    """`python -m offline.preview STACK`: the offline shape of an AWS stack, or the plain preview of a local one."""
    if len(sys.argv) != 2 or not sys.argv[1]:
        print("preview: name one stack: make preview STACK=prod", file=sys.stderr)
        return 2
    stack = sys.argv[1]
    if stack.startswith("local"):
        done = subprocess.run(
            ["pulumi", "preview", "--stack", stack], cwd=ROOT, check=False, stderr=subprocess.PIPE, text=True
        )
        missing = f"preview: stack {stack} does not exist here: bring it up first, cutover up -s {stack}\n"
        print(missing if "no stack named" in done.stderr else done.stderr, end="", file=sys.stderr)
        return done.returncode
    if not (ROOT / f"Pulumi.{stack}.yaml").exists():
        stacks = ", ".join(sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")))
        print(f"preview: there is no Pulumi.{stack}.yaml; STACK is one of: {stacks}", file=sys.stderr)
        return 2
    print(TITLE.format(stack=stack), flush=True)
    return offline_shape(stack)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except stackfile.StackFileError as problem:
        sys.exit(f"preview: {problem}")
