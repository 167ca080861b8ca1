"""The split over an update of what routes, which may send the weights that the stack's state has of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cutover.errors import RefusedError, TrafficError
from cutover.traffic.split import Share, TrafficSplit


@dataclass
class KeptShare:
    """Reads the share before the update and puts it back afterwards."""

    split: TrafficSplit
    _before: Share = field(init=False)

    def look(self) -> None:
        """Keeps what routes now. Raises TrafficError where nobody can say what does."""
        self._before = self.split.get()

    def put_back(self) -> str | None:
        """A clause that says what was put back, None where nothing had changed.

        A rollout that was taken back meanwhile gets 0, up to the last moment: set under the mark in force, the split
        looks at the latch again. Raises TrafficError when it cannot be set, and where somebody else's turn came
        between, whose weight nobody here knows.
        """
        before, now = self._before, self.split.get()
        wanted = before.weight
        if now.taken_back != before.taken_back or (now.mark and now.mark.rollout in now.taken_back):
            wanted = 0
        elif now.mark != before.mark:
            raise TrafficError(
                f"the candidate had {before.weight} % before the listener changed and has {now.weight} %, and a "
                "rollout went on meanwhile: see cutover status; cutover tick sets what is in force"
            )
        if now.weight == wanted:
            return None
        try:
            self.split.set(wanted, now.mark, anyway=True)
        except RefusedError:  # somebody was quicker, and what it is now says who
            return self.put_back()
        return f"the update gave the candidate {now.weight} %: it has {wanted} % again"
