"""A gate: at most a share of what was counted may be bad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from outputs.shape import Shape

Action = Literal["rollback", "hold"]


@dataclass(frozen=True, kw_only=True)
class Gate(Shape):
    """At most the share `limit` of the candidate's count `of` may be `bad`; with `above`, that much more than stable's
    own share of the same. With a limit of 0 not one may be. A failed gate ends the rollout or holds it, as `on` says.
    `bad` and `of` are fields of TrackCounts."""

    name: str
    bad: str
    of: str
    limit: float
    on: Action
    above: bool = False
