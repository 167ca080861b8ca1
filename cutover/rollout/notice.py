"""The line that people get in the channel at each turn of a rollout: who did what and why, and the way by hand."""

from __future__ import annotations

from cutover.rollout import channel
from cutover.rollout.record import Record

MOST = 500
"""Characters of a reason that are shown."""


def text(record: Record, by_hand: str, before: int | None = None) -> str:
    """What is said of a revision: `before` is the weight that there was, where it is known, and `by_hand` the command
    that takes all traffic from the candidate without cutover. It is left out where there is no way back."""
    last, candidate, stable = record.last, record.releases.candidate.version, record.releases.stable.version
    weight = f"weight {record.weight} %" if before is None else f"weight {before} -> {record.weight} %"
    because = " ".join(filter(None, [last.gate and f"gate {last.gate}:", last.why]))
    lines = [
        f"*web-next {record.stack}: {record.state.replace('_', ' ')}* {candidate} after {stable}, {weight}",
        f"{last.verb} by {last.by}" + (f": {because[:MOST]}" if because else ""),
        f"held: {record.hold[:MOST]}" if record.hold else "",
        f"rollout {record.id}, revision {record.revision}; cutover status -s {record.stack}",
    ]
    said = "\n".join(filter(None, lines))
    if not record.way_back:
        return said
    return f"{said}\nback by hand, if nothing else works: `{by_hand}`"


def tell(record: Record, by_hand: str, before: int | None = None) -> None:
    """Posts the line. Raises UnreachableError as `channel.post` does."""
    channel.post(record.targets.webhook_secret, record.targets.places, text(record, by_hand, before))
