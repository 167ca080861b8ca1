"""What a stack put out, read by one process of Pulumi's CLI: the Automation API takes three, and itself."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from cutover.errors import StackMissingError
from cutover.stacks.causes import cause, no_pulumi
from cutover.stacks.project import PROJECT, require_prepared


def outputs(stack: str, *, show_secrets: bool = False) -> dict[str, Any]:
    """The stack's outputs by name; a secret one is "[secret]" unless `show_secrets`.

    Raises StackMissingError when it was never brought up, NotPreparedError as `require_prepared` does, without
    Pulumi, and for a wrong passphrase.
    """
    require_prepared(stack)
    command = ["pulumi", "stack", "output", "--json", "--non-interactive", f"--cwd={PROJECT}", f"--stack={stack}"]
    try:
        done = subprocess.run(
            [*command, "--show-secrets"] if show_secrets else command, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise no_pulumi() from None
    if done.returncode:
        raise cause(stack, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    if not found:
        raise StackMissingError(f"stack {stack} has no outputs: bring it up first, make up")
    return found
