"""What is smoked, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cutover.errors import CutoverError


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is tested, and what is expected of it; all of it comes from the deployment record."""

    stack: str
    track: str
    url: str
    authority: str | None
    build_sha: str
    version: str
    rate_per_minute: int
    burst: int

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Target:
        """The target that a deployment record describes. Raises CutoverError when a part is missing."""
        try:
            edge = record["edge"]
            return cls(
                stack=record["stack"],
                track=record["track"],
                url=edge["url"],
                authority=edge.get("authority"),
                build_sha=record["build_sha"],
                version=record["version"],
                rate_per_minute=edge["rate_per_minute"],
                burst=edge["burst"],
            )
        except KeyError as missing:
            raise CutoverError(f"the deployment record has no {missing}: it was written by another version") from None
