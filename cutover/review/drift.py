"""What runs otherwise than the state says: somebody changed it by hand, or it is gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cutover.review.properties import differences, readable
from cutover.review.redaction import last_name, without_secrets
from cutover.review.steps import Event


@dataclass(frozen=True, kw_only=True)
class Drifted:
    """A resource that is not what the state says: `gone`, or with properties that differ, a line each."""

    name: str
    kind: str
    gone: bool
    differs: tuple[str, ...]


def drifted(events: Iterable[Event]) -> list[Drifted]:
    """The drift that a refresh found which writes nothing, by its events."""
    found = []
    for event in events:
        metadata: Any = (event.get("resOutputsEvent") or {}).get("metadata") or {}
        if metadata.get("op") not in ("update", "delete"):
            continue
        old, new = (readable((metadata.get(side) or {}).get("inputs") or {}) for side in ("old", "new"))
        lines = (
            []
            if metadata["op"] == "delete"
            else [
                f"{path}: {without_secrets(was, last_name(path))} → {without_secrets(now, last_name(path))}"
                for path, was, now in differences("", old, new)
            ]
        )
        found.append(
            Drifted(
                name=metadata["urn"].rpartition("::")[2],
                kind=metadata["type"].rpartition(":")[2],
                gone=metadata["op"] == "delete",
                differs=tuple(lines),
            )
        )
    return found
