"""A base's stack file, which takes over the candidate's release at the end of a rollout."""

from __future__ import annotations

import difflib
import subprocess
from itertools import takewhile

from cutover.errors import CutoverError
from cutover.rollout.record import RolledRelease
from cutover.stacks.project import PROJECT


def adopt(base: str, release: RolledRelease) -> str:
    """Writes image, buildSha, version and adapters into the base's file, by Pulumi, which keeps its comments.

    Returns the difference, for whoever commits it; "" where there was none. Raises CutoverError.
    """
    path = PROJECT / f"Pulumi.{base}.yaml"
    before = path.read_text()
    values = {
        "web-next:image": release.image,
        "web-next:buildSha": release.build_sha,
        "web-next:version": release.version,
        **{f"web-next:adapters.{name}": mode for name, mode in release.adapters.items()},
    }
    given = [part for name, value in values.items() for part in ("--plaintext", f"{name}={value}")]
    command = ["pulumi", "config", "set-all", "--path", *given, f"--stack={base}", "--non-interactive"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CutoverError(f"{path.name} is as it was: {done.stderr.strip().splitlines()[-1]}")
    after = _spaced(before.splitlines(), path.read_text().splitlines())
    path.write_text("\n".join(after) + "\n")
    lines = difflib.unified_diff(before.splitlines(), after, path.name, path.name, lineterm="")
    return "\n".join(f"  {line}" for line in lines)


def _spaced(before: list[str], after: list[str]) -> list[str]:
    """The lines after, with the empty ones of before, which Pulumi leaves out when it writes a file."""
    made: list[str] = []
    for kind, old, old_end, new, new_end in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        made += after[new:new_end]
        if kind != "equal":
            made += takewhile(lambda line: not line, reversed(before[old:old_end]))
    return made
