"""What the policy pack says of a change, from its own JSON or from the engine's events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover.errors import CutoverError


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`against` are the lines that make a review red, `advice` those that do not; `unchecked` what only an update will
    tell; `rules` how many were asked, 0 if nobody said."""

    against: tuple[str, ...]
    advice: tuple[str, ...]
    unchecked: tuple[str, ...]
    rules: int = 0


def of_document(path: Path) -> Verdict:
    """The verdict in a file that the pack wrote. Raises CutoverError for what is none."""
    try:
        found: Mapping[str, Any] = json.loads(path.read_text())
        lines: dict[bool, list[str]] = {True: [], False: []}
        for one in found["findings"]:
            line = f"{one['name']}: {one['seen']}; {one['says']}: {one['todo']} ({one['rule']})"
            lines[one["level"] == "mandatory"].append(line)
        return Verdict(
            against=tuple(lines[True]),
            advice=tuple(lines[False]),
            unchecked=tuple(
                f"{one['name']}: {one['rule']}, as {one['unknown']} is not known" for one in found["unchecked"]
            ),
            rules=int(found["rules"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CutoverError(
            f"{path} is no verdict of the policy pack ({error!r}): write it with cutover policy --json"
        ) from None


def of_events(found: Iterable[Mapping[str, Any]]) -> Verdict | None:
    """The verdict in the engine's events; None where no pack was asked."""
    against: list[str] = []
    advice: list[str] = []
    unchecked: list[str] = []
    each = list(found)
    for one in each:
        name = str(one.get("resourceUrn", "")).rpartition("::")[2]
        line = f"{name}: {' '.join(str(one.get('message', '')).split())} ({one.get('policyName')})"
        if "can't run policy" in line or "not known" in line:
            unchecked.append(line)
        else:
            (against if one.get("enforcementLevel") == "mandatory" else advice).append(line)
    if not each:
        return None
    return Verdict(against=tuple(against), advice=tuple(advice), unchecked=tuple(unchecked))
