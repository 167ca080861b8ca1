"""What a stack put out, read by one process of Pulumi's CLI: the Automation API takes three, and itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from cutover.errors import CutoverError, StackMissingError
from cutover.stacks.causes import cause, no_pulumi
from cutover.stacks.project import PROJECT, require_prepared
from outputs.shape import OutputError
from outputs.smoke import SmokeTarget

T = TypeVar("T")


@dataclass(frozen=True)
class Outputs:
    """The outputs of `stack` by name, as Pulumi has them."""

    stack: str
    values: Mapping[str, Any]

    def read(self, name: str, shape: Callable[[object], T]) -> T | None:
        """One output in its shape, by the shape's `from_output`; None when the stack has no such output.

        Raises CutoverError when it is another revision's.
        """
        value = self.values.get(name)
        try:
            return None if value is None else shape(value)
        except OutputError as error:
            raise CutoverError(f"stack {self.stack}: output {name} {error}") from None


def outputs(stack: str, *, show_secrets: bool = False) -> Outputs:
    """The stack's outputs; a secret one is "[secret]" unless `show_secrets`.

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
        raise StackMissingError(f"stack {stack} has no outputs: bring it up first, cutover up -s {stack}")
    return Outputs(stack, found)


def deployed(stack: str) -> SmokeTarget:
    """What the stack deployed last. Raises as `outputs` does, and StackMissingError when it has deployed nothing."""
    target = outputs(stack).read("smoke_target", SmokeTarget.from_output)
    if target is None:
        raise StackMissingError(f"stack {stack} has deployed nothing yet: bring it up first, cutover up -s {stack}")
    return target
