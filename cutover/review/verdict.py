"""What the policy pack says of a change, by the engine's events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

UNCHECKED = ": unchecked, "
"""What the pack says, behind a resource's name, of what a preview cannot know."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`against` are the lines that make a review red, `advice` those that do not; `unchecked` is what only an update
    will tell."""

    against: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


def verdict(found: Iterable[Mapping[str, Any]]) -> Verdict:
    """The verdict in the engine's policy events."""
    against, advice, unchecked = [], [], []
    for one in found:
        # Pulumi puts what a policy is about before what it has seen, each in a line of its own.
        about, _, seen = str(one.get("message", "")).strip().partition("\n")
        line = f"{seen.strip()}; {about} ({one['policyName']})" if seen else f"{about} ({one['policyName']})"
        if one.get("enforcementLevel") == "mandatory":
            against.append(line)
        elif UNCHECKED in seen:
            unchecked.append(line)
        else:
            advice.append(line)
    return Verdict(against=tuple(against), advice=tuple(advice), unchecked=tuple(unchecked))
