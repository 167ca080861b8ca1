"""What bootstrap prints: one line per step with its time, and a sign of life while something long runs."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Mapping
from typing import TextIO

QUIET_SECONDS = 15.0


class Console:
    """Prints from several threads without mixing lines."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._tty = self._out.isatty()
        self._lock = threading.Lock()
        self._painted = False
        self._last = time.monotonic()

    def line(self, verb: str, name: str, what: str, seconds: float | None = None) -> None:
        """One finished line: verb, step, what was found or made, and the seconds it took."""
        timing = "" if seconds is None else f"  {seconds:6.2f} s"
        text = f"{verb:<5} {name:<9} {what}" if seconds is None else f"{verb:<5} {name:<9} {what:<60}{timing}"
        with self._lock:
            self._wipe()
            print(text, file=self._out, flush=True)
            self._last = time.monotonic()

    def progress(self, phases: Mapping[str, tuple[str, float]]) -> None:
        """What runs now and for how many seconds: repainted on a terminal, every 15 s elsewhere."""
        text = " · ".join(
            f"{name} {seconds:.0f} s" + (f" ({phase})" if phase else "") for name, (phase, seconds) in phases.items()
        )
        with self._lock:
            if self._tty:
                self._wipe()
                width = shutil.get_terminal_size().columns - 1
                print(f"...   {text}"[:width], end="", file=self._out, flush=True)
                self._painted = True
            elif time.monotonic() - self._last >= QUIET_SECONDS:
                print(f"...   {text}", file=self._out, flush=True)
                self._last = time.monotonic()

    def _wipe(self) -> None:
        if self._painted:
            print("\r\033[2K", end="", file=self._out)
            self._painted = False
