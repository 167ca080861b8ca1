"""`python -m offline.emulator start|stop|status`: one line, exit code 0 or 1."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from offline.emulator.launcher import Emulator, EmulatorError
from offline.images.build import ImageError
from offline.machine import Machine, MachineError


def main(arguments: Sequence[str] | None = None) -> int:
    """Starts, stops or looks at this clone's AWS emulator."""
    parser = argparse.ArgumentParser(prog="python -m offline.emulator", description=main.__doc__)
    parser.add_argument("action", choices=("start", "stop", "status"))
    chosen = parser.parse_args(arguments)
    try:
        emulator = Emulator(Machine.load())
        print({"start": emulator.start, "stop": emulator.stop, "status": emulator.status}[chosen.action]())
    except (EmulatorError, ImageError, MachineError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
