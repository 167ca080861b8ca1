"""The command line. One place catches errors, prints one line, and sets the exit code.

Exit codes: 0 done, GO · 1 failed · 2 wrong usage · 3 NO-GO · 4 stack locked · 5 no such stack · 6 machine not
prepared · 7 migration refused or failed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from cutover import smoke
from cutover.errors import CutoverError, NoGoError
from cutover.records import deployment_record
from cutover.stack import Stack


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except CutoverError as error:
        print(f"cutover: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("cutover: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def up(options: argparse.Namespace) -> None:
    """Brings the stack up and ends with the verdict: the smoke hook's if it ran, else a fresh one."""
    stack = Stack(options.stack)
    started = time.time()
    report = smoke.REPORTS / f"{options.stack}.txt"
    try:
        stack.up(refresh=options.refresh)
    except CutoverError as error:
        if _newer(report, started) and "NO-GO" in report.read_text():
            print(report.read_text())
            raise NoGoError(f"stack {options.stack}: NO-GO, nothing was recorded; repair it and run up again") from None
        raise error
    if _newer(report, started):
        print(report.read_text())
    else:
        run_smoke(options)
