"""A stack's state as Pulumi exports it, secrets left closed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from cutover.errors import StackMissingError
from cutover.stacks.causes import cause, no_pulumi
from cutover.stacks.project import PROJECT, require_prepared


def resources(stack: str) -> Sequence[Mapping[str, Any]]:
    """The resources of the stack's state, in Pulumi's own form.

    Raises StackMissingError when there is none, NotPreparedError as `require_prepared` does and without Pulumi.
    """
    require_prepared(stack)
    command = ["pulumi", "stack", "export", "--non-interactive", f"--cwd={PROJECT}", f"--stack={stack}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise no_pulumi() from None
    if done.returncode:
        raise cause(stack, done.stderr)
    found: Sequence[Mapping[str, Any]] = json.loads(done.stdout)["deployment"].get("resources") or []
    if not found:
        raise StackMissingError(f"stack {stack} has no resources: bring it up first, cutover up -s {stack}")
    return found
