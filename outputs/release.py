"""The output release: what runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from outputs.shape import Shape

Track = Literal["stable", "candidate"]
Adapter = Literal["mock", "production"]


@dataclass(frozen=True, kw_only=True)
class ReleaseSummary(Shape):
    """What identifies a release; `image` is a digest, or on docker stacks an image id.

    `digest` is SHA-256 over all that makes the release what it is, wherever it runs: records, packs and approvals
    name it. Two releases of one image differ by it.
    """

    track: Track
    image: str
    build_sha: str
    version: str
    adapters: Mapping[str, Adapter]
    digest: str
