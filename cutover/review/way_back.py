"""How a change is taken back, and how long that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cutover.review.dangers import Danger
from cutover.review.migrations import Pending
from cutover.review.properties import readable
from cutover.review.steps import Step

ROLLBACK_SECONDS = 10
"""From `cutover rollback` to the candidate's last answer: 9.0 s in the rehearsal, 7.5 to 10.4 s by hand."""
UP_SECONDS = 180
"""A revert of what takes effect at once, the smoke suite included. Reckoned: nothing has run on AWS."""
TASKS_SECONDS = 600
"""New tasks start, pass their checks and take over, the old ones drain. Reckoned, as above."""
INSTANCE_SECONDS = 1800
"""An instance of RDS or ElastiCache is changed, with a failover, in AWS' own time. Reckoned, as above."""

NAMES = 3
"""So many dangers are named."""
_INSTANCES = ("aws:rds/", "aws:elasticache/")
_TASKS = ("aws:ecs/",)
_ONE_WAY = ("allocatedStorage", "engineVersion")
"""What of an instance AWS takes up and never down."""


@dataclass(frozen=True, kw_only=True)
class WayBack:
    """What to do, and the seconds it takes; None for what nothing brings back."""

    how: str
    seconds: int | None
    measured: bool = False


def way_back(
    stack: str, base: str | None, steps: Sequence[Step], dangers: Sequence[Danger], pending: Sequence[Pending]
) -> WayBack:
    """The way back of a change, by the slowest of its parts. `base` is what a candidate stands on."""
    if dangers:
        names = ", ".join(danger.name.partition("@")[0] for danger in dangers[:NAMES])
        names += f" and {len(dangers) - NAMES} more" if len(dangers) > NAMES else ""
        return WayBack(
            how=f"none for {names}: what is lost comes from a snapshot or a copy, if there is one", seconds=None
        )
    if one_way := sorted({key for step in steps for key in _only_forward(step)}):
        return WayBack(how=f"none for {', '.join(one_way)}: forward, or a restore of the snapshot", seconds=None)
    schema = "; the schema stays, and the release before runs on it" if pending else ""
    if base is not None:
        return WayBack(
            how=f"`cutover rollback -s {base}` gives stable all of the traffic{schema}",
            seconds=ROLLBACK_SECONDS,
            measured=True,
        )
    changed = [step.type for step in steps if step.op != "create" and not _tags_alone(step)]
    seconds = (
        INSTANCE_SECONDS
        if any(one.startswith(_INSTANCES) for one in changed)
        else TASKS_SECONDS
        if any(one.startswith(_TASKS) for one in changed)
        else UP_SECONDS
    )
    return WayBack(how=f"revert the commit, `cutover up -s {stack}`{schema}", seconds=seconds)


def _only_forward(step: Step) -> list[str]:
    old, new = readable(step.old) or {}, readable(step.new) or {}
    if not step.type.startswith(_INSTANCES):
        return []
    return [key for key in _ONE_WAY if key in old and key in new and old[key] != new[key]]


def _tags_alone(step: Step) -> bool:
    return bool(step.touched) and all(path.startswith("tags") for path in step.touched)
