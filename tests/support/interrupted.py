"""`python interrupted.py SIGNAL N WORD…`: cutover with these words, which signals itself before its Nth write."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from cutover.commands.app import main
from cutover.rollout import effects, world

WRITES = (
    effects.WriteRecord,
    effects.KeepCopy,
    effects.SetWeight,
    effects.TakeBack,
    effects.WriteFlags,
    effects.Tell,
    effects.WriteDown,
)
DONE = world.RealWorld.do


def interrupt(number: signal.Signals, nth: int) -> None:
    """From now on the process gets the signal before its Nth write."""
    left = [nth]

    def do(self: world.RealWorld, effect: effects.Effect) -> Any:
        if isinstance(effect, WRITES):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), number)
        return DONE(self, effect)

    world.RealWorld.do = do  # type: ignore[method-assign]


if __name__ == "__main__":
    interrupt(signal.Signals[sys.argv[1]], int(sys.argv[2]))
    sys.argv[1:] = sys.argv[3:]
    sys.exit(main())
