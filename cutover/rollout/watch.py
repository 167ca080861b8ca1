"""The watch: a tick every few seconds, whatever happens in one, until it is told to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cutover.errors import CutoverError, unforeseen
from cutover.rollout.heartbeat import Heartbeat
from cutover.rollout.status import Status
from cutover.rollout.table import headline

SECONDS = 10.0
"""From one tick's begin to the next one's."""


@dataclass
class Watch:
    """Ticks and says a line whenever something has changed. `tick` returns what the rollout is at, None without one."""

    tick: Callable[[], Status | None]
    heartbeat: Heartbeat
    say: Callable[[str], None]
    seconds: float = SECONDS
    _ended: threading.Event = field(default_factory=threading.Event)
    _said: str = ""

    def end(self) -> None:
        """Ends it after the tick that goes on."""
        self._ended.set()

    def run(self) -> None:
        """Ticks until `end`. A tick that fails is said and counts as none: the heartbeat stands still."""
        while not self._ended.is_set():
            began = time.monotonic()
            try:
                status = self.tick()
            except CutoverError as error:
                self._change(f"no tick: {error}")
            except Exception as error:  # the next one may do: nobody else lowers the weight
                self._change(f"no tick, by {unforeseen(error)}")
            else:
                self.heartbeat.beat(time.time(), status)
                self._change(told(status))
            self._ended.wait(max(self.seconds - (time.monotonic() - began), 0.0))

    def _change(self, line: str) -> None:
        if line != self._said:
            self._said = line
            self.say(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {' '.join(line.split())}")


def told(status: Status | None) -> str:
    """What matters of a status in a line that stays the same while nothing changes: no figures of gates."""
    if status is None:
        return "there is no rollout"
    line = f"{headline(status)}, web-next {status.stable} → {status.candidate}"
    if status.judgement:
        line += f": {status.judgement.outcome}"
        wrong = [gate.name for gate in status.judgement.gates if gate.outcome in ("fail", "shared", "no data")]
        line += f" ({', '.join(wrong)})" if wrong else ""
    if status.routes.unread or status.routes.weight != status.weight:
        line += f"; {status.why}"
    elif status.hold:
        line += f"; {status.hold}"
    return line + (f"; left: {', '.join(status.left)}" if status.left else "")
