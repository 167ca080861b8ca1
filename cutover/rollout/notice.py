"""The line that people get in the channel at each turn of a rollout: who did what and why, and the way by hand."""

from __future__ import annotations

from cutover.rollout import channel
from cutover.rollout.record import Record

MOST = 500
"""Characters of a reason that are shown."""


def text(record: Record, by_hand: str) -> str:
    """What is said of a revision. `by_hand` is the command that takes all traffic from the candidate without cutover;
    it is left out where there is no way back."""
    last, candidate, stable = record.last, record.releases.candidate.version, record.releases.stable.version
    because = " ".join(filter(None, [last.gate and f"gate {last.gate}:", last.why]))
    lines = [
        f"*web-next {record.stack}: {record.state.replace('_', ' ')}* {candidate} after {stable}, weight "
        f"{record.weight} %",
        f"{last.verb} by {last.by}" + (f": {because[:MOST]}" if because else ""),
        f"held: {record.hold[:MOST]}" if record.hold else "",
        f"rollout {record.id}, revision {record.revision}; cutover status -s {record.stack}",
    ]
    said = "\n".join(filter(None, lines))
    if record.one_way or not record.way_back:
        return said
    return f"{said}\nback by hand, if nothing else works: `{by_hand}`"


def tell(record: Record, by_hand: str) -> None:
    """Posts the line. Raises UnreachableError as `channel.post` does."""
    channel.post(record.targets.webhook_secret, record.targets.places, text(record, by_hand))
