"""Pulumi's CLI for an update or a look: what it starts ends with it, and with whoever waits for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from pulumi import automation as auto
from pulumi.automation._cmd import OnOutput
from pulumi.automation.errors import create_command_error


class Engine(auto.PulumiCommand):
    """Runs each command in a session of its own. Pulumi gives every plugin a group of its own, and a plugin goes on
    where Pulumi was killed: the session has them all."""

    interrupted = False

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: OnOutput | None = None,
        on_error: OnOutput | None = None,
    ) -> auto.CommandResult:
        """Runs a command as the Automation API's own does.

        Interrupted, it has the engine end what is under way, so that the state holds what was made, and raises
        KeyboardInterrupt; interrupted again, it waits for nothing.
        """
        environment = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        said: tuple[list[str], list[str]] = ([], [])
        command = [self.command, "--non-interactive", *args]
        with session(command, cwd=cwd, env=environment, interrupted=self._interrupt) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            readers = [
                threading.Thread(target=_read, args=(process.stdout, on_output, said[0]), daemon=True),
                threading.Thread(target=_read, args=(process.stderr, on_error, said[1]), daemon=True),
            ]
            for reader in readers:
                reader.start()
            process.wait()
        for reader in readers:
            reader.join()
        result = auto.CommandResult(stdout="\n".join(said[0]), stderr="\n".join(said[1]), code=process.returncode)
        if result.code:
            raise create_command_error(result)
        return result

    def _interrupt(self) -> None:
        self.interrupted = True
        print("  note     interrupted: what is under way ends first; a second time ends it at once", file=sys.stderr)


LOOK_SECONDS = 5.0
"""How long a look at a stack has to end once it is interrupted: nothing is lost where it does not."""


def looked(command: Sequence[str], env: Mapping[str, str], *, shown: bool = False) -> subprocess.CompletedProcess[str]:
    """What a command of Pulumi's that changes nothing said; `shown` leaves its standard output to the terminal."""
    with session(command, env=env, stdout=None if shown else subprocess.PIPE, patience=LOOK_SECONDS) as process:
        out, err = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@contextlib.contextmanager
def session(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None = None,
    stdout: int | None = subprocess.PIPE,
    patience: float | None = None,
    interrupted: Callable[[], None] = lambda: None,
) -> Iterator[subprocess.Popen[str]]:
    """A command for the block, and all that it started. Interrupted, it is told to end and has its `patience`, in
    seconds; without one it takes what it needs."""
    process = subprocess.Popen(
        command, cwd=cwd, env=env, stdout=stdout, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    except KeyboardInterrupt:
        interrupted()
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        raise
    finally:
        for pid in _session(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _read(stream: IO[str], told: OnOutput | None, lines: list[str]) -> None:
    with stream:
        for line in stream:
            lines.append(line.rstrip())
            if told:
                told(lines[-1])


def _session(leader: int) -> Iterator[int]:
    """What is left of a session; nothing where there is no /proc to look at."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getsid(int(folder.name)) == leader:
                yield int(folder.name)
