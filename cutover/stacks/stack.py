"""One stack, driven through the Automation API, with its lock and its half-finished operations looked after."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from pulumi import automation as auto

from cutover.errors import CutoverError, MigrationError, NotPreparedError, StackLockedError, StackMissingError
from cutover.stacks.preflight import Preflight
from cutover.stacks.progress import Progress

PROJECT = Path(__file__).parents[2]
_PROTECTED = re.compile(r'resource "[^"]*::([^":]+)"[^:]*(?:marked for protection|protected)')
"""What Pulumi says of a resource that it was asked to delete or replace and may not."""


_UNKNOWN = re.compile(r'unknown stack "(?:[^"]*/)?([^"/]+)"')
"""What Pulumi says of a stack that another refers to and that is not there."""


class Stack:
    """A stack of this project, by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def up(self, *, refresh: bool) -> None:
        """Brings the stack up, printing as it goes.

        What would stop the update in its middle is refused first. What a killed run left behind is cleared: its
        lock, and operations it had begun. Raises CutoverError with the update's first problem when it fails.
        """
        stack = self._open(create=True)
        progress = Progress()
        try:
            stale = self._lock_is_stale()
            deployment = stack.export_stack().deployment or {}
            before = self._preflight(deployment)
            before.require_unedited(PROJECT / "migrations")
            with before.reaching_the_database():
                if stale:
                    print(f"  note     the lock of a run that was killed is removed from {self.name}")
                    stack.cancel()
                if deployment.get("pending_operations"):
                    print(f"  note     what a killed run had begun on {self.name} is looked at again")
                    stack.refresh(clear_pending_creates=True, on_event=progress)
                if before.protects:
                    print(
                        f"  note     {self.name} protects its data: a preview looks first whether anything is refused"
                    )
                    stack.preview(refresh=refresh, on_event=progress.only_problems)
                result = stack.up(refresh=refresh, on_event=progress)
        except auto.errors.CommandError as error:
            raise _cause(self.name, error, progress.problems) from None
        changes = {kind: count for kind, count in (result.summary.resource_changes or {}).items() if count}
        print(f"  {self.name}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(changes.items())))

    def outputs(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """The stack's outputs, secrets masked. Raises StackMissingError when it was never brought up."""
        stack = self._open(create=False)
        try:
            outputs = stack.outputs()
        except auto.errors.CommandError as error:
            raise _cause(self.name, error) from None
        if not outputs:
            raise StackMissingError(f"stack {self.name} has no outputs: bring it up first, make up")
        return {
            name: "[secret]" if output.secret and not show_secrets else output.value for name, output in outputs.items()
        }

    def _open(self, *, create: bool) -> auto.Stack:
        _require_prepared()
        self._require_own_providers()
        try:
            opener = auto.create_or_select_stack if create else auto.select_stack
            return opener(stack_name=self.name, work_dir=str(PROJECT))
        except auto.errors.StackNotFoundError:
            raise StackMissingError(f"stack {self.name} does not exist here: bring it up first, make up") from None
        except FileNotFoundError:
            raise NotPreparedError("pulumi is not on PATH: enter the prepared environment, source .local/env") from None
        except auto.errors.InvalidVersionError as error:
            raise NotPreparedError(f"pulumi does not fit ({error}): run make up, which sets one up") from None
        except auto.errors.CommandError as error:
            raise _cause(self.name, error) from None

    def _config(self) -> dict[str, Any]:
        """What the stack's file says. Raises StackMissingError when there is none."""
        path = PROJECT / f"Pulumi.{self.name}.yaml"
        if not path.exists():
            stacks = ", ".join(sorted(file.name.split(".")[1] for file in PROJECT.glob("Pulumi.*.yaml")))
            raise StackMissingError(f"there is no Pulumi.{self.name}.yaml: the stacks here are {stacks}")
        return dict((yaml.safe_load(path.read_text()) or {}).get("config", {}))

    def _preflight(self, deployment: Mapping[str, Any]) -> Preflight:
        resources = deployment.get("resources") or []
        root: Mapping[str, Any] = next((each for each in resources if each["type"] == "pulumi:pulumi:Stack"), {})
        return Preflight(stack=self.name, config=self._config(), outputs=root.get("outputs") or {}, resources=resources)

    def _require_own_providers(self) -> None:
        """Refuses, before anything is written, stand-ins for a stack on AWS."""
        config = self._config()
        standins = Path(os.environ["PULUMI_HOME"]).resolve() == (PROJECT / ".local" / "pulumi").resolve()
        if config.get("web-next:runtime") != "docker" and standins:
            raise NotPreparedError(
                f"stack {self.name} is on AWS, and this PULUMI_HOME is the clone's own, with stand-in providers: "
                "use a shell without .local/env and Pulumi's official providers"
            )

    def _lock_is_stale(self) -> bool:
        """Whether the stack is locked by a process of this machine that is gone.

        Raises StackLockedError when the holder is alive, or on another machine.
        """
        backend = urlsplit(os.environ["PULUMI_BACKEND_URL"])
        if backend.scheme != "file":
            return False
        locks = Path(backend.path) / ".pulumi" / "locks" / "organization" / "web-next" / self.name
        held = []
        for path in locks.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):  # released just now
                held.append(json.loads(path.read_text()))
        for lock in held:
            here = lock["hostname"] == socket.gethostname()
            if not here or _is_pulumi(lock["pid"]):
                raise StackLockedError(
                    f"stack {self.name} is being changed by process {lock['pid']} of {lock['username']} on "
                    f"{lock['hostname']} since {lock['timestamp'][:19]}: let it end, or stop it and run "
                    f"pulumi cancel -s {self.name}"
                )
        return bool(held)


def _is_pulumi(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "pulumi"
    except FileNotFoundError:
        return False


def _require_prepared() -> None:
    for name in ("PULUMI_HOME", "PULUMI_BACKEND_URL"):
        if name not in os.environ:
            raise NotPreparedError(f"{name} is not set: enter the prepared environment first, source .local/env")


def _cause(stack: str, error: auto.errors.CommandError, problems: Sequence[str] = ()) -> CutoverError:
    if isinstance(error, auto.errors.ConcurrentUpdateError):
        return StackLockedError(f"stack {stack} is locked by another update: let it end")
    # CommandError has no fields: its text is " stdout: …" and " stderr: …", the first lines included.
    lines = [line.strip().removeprefix("stdout: ").removeprefix("stderr: ") for line in str(error).splitlines()]
    causes = [line for line in lines if line.startswith("error:")]
    migration = f"{MigrationError.__module__}.{MigrationError.__qualname__}: "
    for problem in problems:
        if problem.startswith(migration):
            return MigrationError(problem.removeprefix(migration))
    for problem in problems:
        if kept := _PROTECTED.search(problem):
            return CutoverError(
                f"stack {stack}: {kept[1]} holds data and is protected, and this would delete or replace it: "
                "undo the change, or name its part in web-next:mayDestroy and bring that up first"
            )
    for problem in [*problems, *causes]:
        if unknown := _UNKNOWN.search(problem):
            return StackMissingError(
                f"stack {stack}: its base {unknown[1]} does not exist here; run cutover up -s {unknown[1]} first"
            )
    # A plugin that is told to stop in the middle of a call is said to have died; that is never why the update failed.
    said = sorted(problems, key=lambda problem: "exited prematurely" in problem)
    if any("passphrase" in line for line in causes):
        return NotPreparedError(
            f"stack {stack} cannot be decrypted: the passphrase is not the one it was made with; "
            "put the right one into the file that PULUMI_CONFIG_PASSPHRASE_FILE names"
        )
    return CutoverError(f"stack {stack}: " + next(iter([*said, *causes]), "the update failed, see above"))
