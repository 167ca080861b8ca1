"""Whoever types the commands: each runs as a person would run it, its lines shown, its exit code held to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


class RehearsalError(Exception):
    """The rehearsal cannot go on. One line, fit for a person."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that has ended, after so many seconds."""

    code: int
    text: str
    seconds: float

    @property
    def last_line(self) -> str:
        """What it ended with."""
        lines = self.text.strip().splitlines()
        return lines[-1].strip() if lines else ""


@dataclass(kw_only=True)
class Operator:
    """Runs commands in the folder `root`; `say` is given each command and the lines that it shows, `log` gets all."""

    root: Path
    log: Path
    say: Callable[[str], object]
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def cutover(self, *words: str, expected: Sequence[int] = (0,), quiet: bool = False) -> Done:
        """A `cutover` command. Raises RehearsalError for another exit code than those expected."""
        return self._run(("cutover", *words), (sys.executable, "-m", "cutover", *words), expected, quiet)

    def pulumi(self, *words: str) -> Done:
        """A `pulumi` command, whose lines are in the log alone."""
        return self._run(("pulumi", *words), ("pulumi", *words, "--non-interactive"), (0,), quiet=True)

    def _run(self, shown: Sequence[str], command: Sequence[str], expected: Sequence[int], quiet: bool) -> Done:
        began = time.monotonic()
        self.say(f"$ {' '.join(shown)}")
        lines = []
        with (
            self.log.open("a") as log,
            subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
        ):
            assert process.stdout
            log.write(f"$ {' '.join(shown)}\n")
            for line in process.stdout:
                log.write(line)
                lines.append(line)
                if not quiet:
                    self.say(f"  {line.rstrip()}")
            code = process.wait()
            log.write(f"exit {code}\n")
        done = Done(code=code, text="".join(lines), seconds=time.monotonic() - began)
        if code not in expected:
            wanted = " or ".join(map(str, expected))
            raise RehearsalError(
                f"{' '.join(shown)} ended with {code}, {wanted} expected ({done.last_line}); all of it is in {self.log}"
            )
        return done
