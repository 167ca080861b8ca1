"""The steps that a preview announces, out of the events that Pulumi's engine streams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]
OPERATIONS = ("delete", "replace", "update", "create", "import")
"""What changes a resource, the worst first. The parts of a replacement are not steps of their own."""
_ECHOES = ("Program exited with non-zero exit code", "preview failed")
"""What follows other errors and adds nothing."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What happens to one resource: `old` and `new` are its inputs, None where it is not there. `keys` are the inputs
    that make an update a replacement, and `touched` the paths that the provider says differ, secret ones included."""

    op: str
    urn: str
    type: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    keys: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    protected: bool = False

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rpartition("::")[2]

    @property
    def kind(self) -> str:
        """The last part of its type, such as `LogGroup`."""
        return self.type.rpartition(":")[2]


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a preview said: its steps, what it warned of and why it failed, what the policy pack said, and how many
    resources stay as they are."""

    steps: tuple[Step, ...]
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    policy: tuple[Mapping[str, Any], ...] = ()
    same: int = 0


def read(events: Iterable[Event]) -> Preview:
    """The preview that the events are of. Components and the stack itself are no steps: their children are."""
    steps: list[Step] = []
    said: dict[str, list[str]] = {"error": [], "warning": []}
    policy: list[Mapping[str, Any]] = []
    same, ended = 0, ""
    for event in events:
        if metadata := (event.get("resourcePreEvent") or {}).get("metadata"):
            steps += _steps(metadata)
        elif diagnostic := event.get("diagnosticEvent"):
            if diagnostic.get("severity") in said:
                said[diagnostic["severity"]].append(str(diagnostic.get("message", "")).strip())
        elif found := event.get("policyEvent"):
            policy.append(found)
        elif summary := event.get("summaryEvent"):
            same, ended = int((summary.get("resourceChanges") or {}).get("same", 0)), str(summary.get("result", ""))
    errors = [text for text in said["error"] if text and not any(echo in text for echo in _ECHOES)]
    if any(one.get("enforcementLevel") == "mandatory" for one in policy):
        ended = "succeeded"  # as far as it was to judge; what the policy has against it is said apart
    if ended != "succeeded" and not errors:
        errors = ["the preview did not come to its end; run pulumi preview to see why"]
    return Preview(
        steps=tuple(sorted(steps, key=lambda step: (OPERATIONS.index(step.op), step.type, step.name))),
        errors=tuple(errors),
        warnings=tuple(dict.fromkeys(filter(None, said["warning"]))),
        policy=tuple(policy),
        same=same,
    )


def _steps(metadata: Mapping[str, Any]) -> list[Step]:
    old, new = metadata.get("old") or {}, metadata.get("new") or {}
    if metadata["op"] not in OPERATIONS or not (old.get("custom") or new.get("custom")):
        return []
    return [
        Step(
            op=metadata["op"],
            urn=metadata["urn"],
            type=metadata["type"],
            old=(old.get("inputs") or {}) if old else None,
            new=(new.get("inputs") or {}) if new else None,
            keys=tuple(metadata.get("keys") or ()),
            touched=tuple(metadata.get("detailedDiff") or ()),
            protected=bool(old.get("protect")),
        )
    ]
