"""An update of one stack through the Automation API, what a killed run left behind looked after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pulumi import automation as auto
from pulumi.automation._stack import StackInitMode

from cutover.errors import NotPreparedError
from cutover.stacks import locks
from cutover.stacks.causes import cause, no_pulumi
from cutover.stacks.engine import Engine
from cutover.stacks.outputs import Outputs
from cutover.stacks.progress import Progress
from cutover.stacks.project import PROJECT, config, listed, require_prepared


class Update:
    """What is known of `stack` before it is updated: the `resources` of its state, and the `outputs` that its last
    update left; both are empty before the first. Nothing has been changed yet.

    Raises StackLockedError, StackMissingError without a stack file, NotPreparedError.
    """

    def __init__(self, stack: str) -> None:
        require_prepared(stack)
        self.stack = stack
        self._engine = _engine()
        self._opened = _open(stack, self._engine)
        self._stale = locks.is_stale(stack)
        try:
            state = self._opened.export_stack().deployment or {}
        except auto.errors.CommandError as error:
            raise cause(stack, str(error)) from None
        self._pending = bool(state.get("pending_operations"))
        self.resources: Sequence[Mapping[str, Any]] = state.get("resources") or []
        root: Mapping[str, Any] = next((each for each in self.resources if each["type"] == "pulumi:pulumi:Stack"), {})
        self.outputs = Outputs(stack, root.get("outputs") or {})

    def run(self, *, refresh: bool) -> None:
        """Brings the stack up, printing as it goes; `refresh` looks at what really runs first.

        What a killed run left behind is cleared: its lock, and operations it had begun. Raises CutoverError with the
        update's first problem when it fails.
        """
        progress = Progress(interrupted=lambda: self._engine.interrupted)
        try:
            if self._stale:
                print(f"  note     the lock of a run that was killed is removed from {self.stack}")
                self._opened.cancel()
            if self._pending:
                print(f"  note     what a killed run had begun on {self.stack} is looked at again")
                self._opened.refresh(clear_pending_creates=True, on_event=progress)
            packs = [] if config(self.stack).get("web-next:runtime") == "docker" else [listed(PROJECT / "policy")]
            if packs or any(resource.get("protect") for resource in self.resources):
                print(f"  note     a preview looks first whether anything of {self.stack} is refused")
                # What a policy finds in an update it finds when all is changed.
                self._opened.preview(refresh=refresh, policy_packs=packs, on_event=progress.only_problems)
            self._opened.up(refresh=refresh, policy_packs=packs, on_event=progress)
        except auto.errors.CommandError as error:
            raise cause(self.stack, str(error), progress.problems) from None
        print(f"  {self.stack}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(progress.changes.items())))


class _Stack(auto.Stack):
    """After an update the Automation API starts Pulumi three times more, for the outputs and for what was changed: two
    seconds in which nothing is learnt. `Progress` has the changes, and who wants outputs reads them by one process."""

    def outputs(self) -> auto.OutputMap:
        return {}

    def info(self, show_secrets: bool = True) -> auto.UpdateSummary:  # noqa: ARG002 - as Pulumi declares it
        return auto.UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


def _engine() -> Engine:
    try:
        return Engine()
    except FileNotFoundError:
        raise no_pulumi() from None
    except auto.errors.InvalidVersionError as error:
        raise NotPreparedError(f"pulumi does not fit ({error}): run make up, which sets one up") from None


def _open(stack: str, engine: Engine) -> auto.Stack:
    try:
        workspace = auto.LocalWorkspace(work_dir=str(PROJECT), pulumi_command=engine)
        return _Stack(stack, workspace, StackInitMode.CREATE_OR_SELECT)
    except auto.errors.CommandError as error:
        raise cause(stack, str(error)) from None
