"""Why Pulumi failed, in one line, from what it said."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cutover.errors import (
    CutoverError,
    MigrationError,
    NoGoError,
    NotPreparedError,
    PolicyBrokenError,
    RefusedError,
    StackLockedError,
    StackMissingError,
    UnreachableError,
)

_PROTECTED = re.compile(r'resource "[^"]*::([^":]+)"[^:]*(?:marked for protection|protected)')
"""What Pulumi says of a resource that it was asked to delete or replace and may not."""
_REFUSED = re.compile(
    rf"UpdateGuard.* has a problem: (.*)|{re.escape(RefusedError.__module__)}\.{RefusedError.__qualname__}: (.*)"
)
"""What Pulumi says of a guard's refusal to change a release, and to take it away."""
_BROKEN = re.compile(r"policy ([\w-]+): (.*)")
"""How Progress has what a mandatory policy says."""
_UNKNOWN = re.compile(r'unknown stack "(?:[^"]*/)?([^"/]+)"')
"""What Pulumi says of a stack that another refers to and that is not there."""
_NO_GO = re.compile(r'hook "(?:running|smoke)" failed: NO-GO\s+(.*)', re.DOTALL)
"""What Pulumi says of a deployment record whose release does not run, or whose suite was no GO."""
_MIGRATION = re.compile(
    rf"{MigrationError.__module__}\.(?:{MigrationError.__qualname__}: |{UnreachableError.__qualname__}: (?=the audit "
    r"database ))(.*)",
    re.DOTALL,
)
"""What the schema's provider says of a migration that failed, or of a database that is away in the middle of an update:
that it had changed nothing would not be true of the update."""
_LOCKED = re.compile(r"\[409\] Conflict|the stack is currently locked by")
"""What Pulumi says in a service's backend, and in one of files."""

_TORN = re.compile(r"failed to load checkpoint: (?:place \d+: )?(.*)")
"""What Pulumi says of a stack's state that is no JSON, or is cut."""
_NO_STORE = re.compile(r"corrupt store: (.*)")
"""What it says of a backend whose meta.yaml is empty or cut."""


def no_pulumi() -> NotPreparedError:
    """The error of a machine without Pulumi's CLI."""
    return NotPreparedError("pulumi is not on PATH: enter the prepared environment, source .local/env")


def cause(stack: str, said: str, problems: Sequence[str] = ()) -> CutoverError:
    """The error that names the cause: `said` is the CLI's own text, `problems` are the update's, the first first."""
    if _LOCKED.search(said):
        return StackLockedError(f"stack {stack} is locked by another update: let it end")
    # The Automation API's text of a failed command has " stdout: …" and " stderr: …", the first lines included.
    lines = [line.strip().removeprefix("stdout: ").removeprefix("stderr: ") for line in said.splitlines()]
    causes = [line for line in lines if line.startswith("error:")]
    if any("no stack named" in line for line in causes):
        return StackMissingError(f"stack {stack} does not exist here: bring it up first, cutover up -s {stack}")
    for line in causes:
        if torn := _TORN.search(line):
            return CutoverError(
                f"the state of stack {stack} is torn ({torn[1]}): put the one before in its place, {_before(stack)}, "
                f"then cutover up -s {stack} --refresh looks at what really runs"
            )
        if torn := _NO_STORE.search(line):
            return CutoverError(
                f"the backend of the states is torn ({torn[1]}): write the line 'version: 1' into .pulumi/meta.yaml of "
                "PULUMI_BACKEND_URL; the states are beside it and unharmed"
            )
    for problem in problems:
        if failed := _MIGRATION.match(problem):
            return MigrationError(failed[1])
    for problem in problems:
        if stopped := _NO_GO.search(problem):
            why = " ".join(stopped[1].split())
            return NoGoError(f"stack {stack}: NO-GO, nothing was recorded: {why}; mend what failed, then run it again")
        if refused := _REFUSED.search(problem):
            return RefusedError(f"stack {stack}: {refused[1] or refused[2]}")
    for problem in problems:
        if broken := _BROKEN.match(problem):
            return PolicyBrokenError(f"stack {stack} breaks {broken[1]}: {broken[2]}")
    for problem in problems:
        if kept := _PROTECTED.search(problem):
            return CutoverError(
                f"stack {stack}: {kept[1]} is protected, and this would delete or replace it: "
                "undo the change, or name its part in web-next:mayDestroy and bring that up first"
            )
    for problem in [*problems, *causes]:
        if unknown := _UNKNOWN.search(problem):
            return StackMissingError(
                f"stack {stack}: its base {unknown[1]} does not exist here; run cutover up -s {unknown[1]} first"
            )
    if any("passphrase" in line for line in causes):
        return NotPreparedError(f"stack {stack} cannot be decrypted: {_passphrase()}")
    # A plugin that is told to stop in the middle of a call is said to have died; that is never why the update failed.
    ordered = sorted(problems, key=lambda problem: "exited prematurely" in problem)
    return CutoverError(f"stack {stack}: " + next(iter([*ordered, *causes]), "the update failed, see above"))


def _passphrase() -> str:
    """What is wrong with the passphrase, and the way out."""
    name = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if not name or "PULUMI_CONFIG_PASSPHRASE" in os.environ:
        return (
            "the passphrase is not the one it was made with; put the right one into PULUMI_CONFIG_PASSPHRASE, or into "
            "the file that PULUMI_CONFIG_PASSPHRASE_FILE names"
        )
    file = Path(name)
    try:
        wrong = "has another passphrase" if file.read_text().strip() else "is empty"
    except OSError as error:
        wrong = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
    return f"{file} {wrong}: put back the one that the stack was made with"


def _before(stack: str) -> str:
    """The command that puts back a state's version before the last."""
    backend = urlsplit(os.environ.get("PULUMI_BACKEND_URL", ""))
    state = f".pulumi/stacks/web-next/{stack}.json"
    if backend.scheme == "file":
        path = shlex.quote(str(Path(unquote(backend.path)) / state))
        return f"cp {path}.bak {path}"
    return f"an earlier version of {state} in {backend.scheme}://{backend.netloc}{backend.path}"
