"""The suite in a process of its own: a browser cannot be driven inside Pulumi's event loop, and what is killed there
loses its report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutover.errors import CutoverError, NoGoError

_PROJECT = Path(__file__).parents[2]


def require_go(target: Mapping[str, Any]) -> None:
    """Runs `cutover smoke` against a target, the content of a deployment record.

    What it says as it goes is said here too. Raises NoGoError with a line for each criterion that stands against a
    GO, CutoverError where the suite could not run.
    """
    command = [sys.executable, "-m", "cutover", "smoke", "--target", "-", "--json"]
    with subprocess.Popen(
        command, cwd=_PROJECT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as suite:
        assert suite.stdin is not None
        assert suite.stderr is not None
        suite.stdin.write(json.dumps(target))
        suite.stdin.close()
        error: list[str] = []
        for line in suite.stderr:
            if error or line.startswith("cutover: "):
                error.append(line.rstrip("\n").removeprefix("cutover: "))
            else:
                print(line, end="", file=sys.stderr, flush=True)
    if suite.returncode:
        kind = NoGoError if suite.returncode == NoGoError.exit_code else CutoverError
        raise kind("\n".join(error) or f"cutover smoke ended with {suite.returncode} and said nothing")
