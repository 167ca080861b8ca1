"""What a person sees of a running update: a line for each change, each problem, and a count at the end."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pulumi.automation.events import DiagnosticEvent, EngineEvent, OpType, PolicyEvent, StepEventMetadata

_QUIET = {"same", "refresh", "read"}
_ECHO = "Program exited with non-zero exit code"
"""Follows every error of the program and adds nothing to it."""
_OWN = re.compile(r"(infra|cutover|outputs)\.[\w.]*Error: ")
_COLOURS = re.compile(r"<\{%[^%]*%\}>|\x1b\[[0-9;]*m")


@dataclass
class Progress:
    """Prints events as they come. `problems` keeps the errors, for whoever must name the cause; `changes` is how many
    resources had what done to them, once it is."""

    write: Callable[[str], object] = lambda text: sys.stdout.write(text)
    clock: Callable[[], float] = time.monotonic
    interrupted: Callable[[], bool] = lambda: False
    """What fails from then on fails because of it, and is not told."""
    problems: list[str] = field(default_factory=list)
    changes: Mapping[OpType, int] = field(default_factory=dict)
    _begun: dict[str, float] = field(default_factory=dict)
    _judged: set[str] = field(default_factory=set)
    """What policies have said: a preview and its update say the same."""

    def __call__(self, event: EngineEvent) -> None:
        if event.resource_pre_event:
            self._begun[event.resource_pre_event.metadata.urn] = self.clock()
        elif event.res_outputs_event:
            self._line(event.res_outputs_event.metadata, str(event.res_outputs_event.metadata.op.value))
        elif event.res_op_failed_event and not self.interrupted():
            self._line(event.res_op_failed_event.metadata, "failed")
        elif event.diagnostic_event:
            self._diagnose(event.diagnostic_event)
        elif event.policy_event:
            self._judge(event.policy_event)
        elif event.summary_event:
            counts = event.summary_event.resource_changes
            self.changes = {kind: count for kind, count in counts.items() if count}

    def only_problems(self, event: EngineEvent) -> None:
        """Prints what is wrong, what a policy says, and nothing else: for a preview whose changes the update will
        show."""
        if event.policy_event:
            self._judge(event.policy_event)
        elif event.diagnostic_event and event.diagnostic_event.severity == "error":
            self._diagnose(event.diagnostic_event)

    def _line(self, step: StepEventMetadata, verb: str) -> None:
        # Components and the stack itself take no time of their own; their children are shown.
        if verb in _QUIET or not step.provider:
            return
        seconds = self.clock() - self._begun.get(step.urn, self.clock())
        name = step.urn.rsplit("::", 1)[-1]
        token = re.sub(r"/[^:]*", "", step.type)
        self._print(f"  {verb:<8} {token} {name}", seconds)

    def _diagnose(self, event: DiagnosticEvent) -> None:
        text = _COLOURS.sub("", event.message).strip()
        if event.severity not in ("error", "warning", "info#err") or not text or _ECHO in text or self.interrupted():
            return
        failed = event.severity == "error"
        if failed:
            self.problems.append(_cause(text))
        for line in _without_own_traceback(text.splitlines()):
            self.write(f"  {'error' if failed else 'note':<8} {line}\n")

    def _judge(self, event: PolicyEvent) -> None:
        # Pulumi puts what a policy is about before what it has seen, each in a line of its own.
        about, _, seen = _COLOURS.sub("", event.message).strip().partition("\n")
        text = (
            f"policy {event.policy_name}: {seen.strip()}; {about}" if seen else f"policy {event.policy_name}: {about}"
        )
        failed = event.enforcement_level == "mandatory"
        if failed:
            self.problems.append(text)
        if text not in self._judged:
            self.write(f"  {'error' if failed else 'note':<8} {text}\n")
        self._judged.add(text)

    def _print(self, text: str, seconds: float) -> None:
        self.write(f"{text:<78} {seconds:6.1f} s\n")


def _without_own_traceback(lines: list[str]) -> list[str]:
    """The lines; of an error that the project raised itself the last alone, which says all."""
    return lines[-1:] if lines[0].startswith("Traceback (") and _OWN.match(lines[-1]) else lines


def _cause(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    if any(line.startswith("Traceback (") for line in lines):
        return lines[-1]
    return f"{lines[0]} {'; '.join(filter(None, lines[1:]))}".strip().removeprefix("error: ")
