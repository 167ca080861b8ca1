"""`python3 -m offline.bootstrap up|tools|entrypoint|doctor|down|clean`: called by bootstrap.sh.

Exit codes: 0 done (doctor: nothing missing) · 1 a step failed (doctor: something is missing) · 2 wrong
usage · 130 interrupted; what was half-made is repaired by running `up` again.
"""

from __future__ import annotations

import argparse
import signal
import sys

from offline.bootstrap import runner, teardown
from offline.bootstrap.console import Console
from offline.bootstrap.runner import StepError
from offline.bootstrap.steps import all_steps, entrypoint_steps, tool_steps
from offline.machine import ROOT, MachineError, cache_folder, require_room, require_usable

STEPS = {"up": all_steps, "tools": tool_steps, "entrypoint": entrypoint_steps}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="offline.bootstrap", description=__doc__)
    parser.add_argument("command", choices=(*STEPS, "doctor", "down", "clean"))
    command = parser.parse_args(arguments).command
    console = Console()
    try:
        if command not in ("down", "clean"):
            for folder in (ROOT, cache_folder()):
                require_usable(folder)
        if command in STEPS:
            for folder in (ROOT / ".local", cache_folder()):
                require_room(folder)
            return 0 if runner.run(STEPS[command](), console, ROOT / ".local" / "log") else 1
        if command == "doctor":
            return 0 if runner.look(all_steps(), console) else 1
        if command == "down":
            teardown.down(console)
        else:
            teardown.clean(console)
    except (StepError, MachineError, OSError) as error:
        console.line("FAIL", command, str(error))
        return 1
    except KeyboardInterrupt:
        console.line("stop", command, "interrupted; running it again repairs what was half-made")
        return 130
    return 0


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
