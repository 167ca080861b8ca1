"""Runs steps side by side, each as soon as those it needs are done, and says one line about each."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from offline.bootstrap.console import Console
from offline.machine import MachineError
from offline.output import last_line

TICK_SECONDS = 0.5
STOP_SECONDS = 10.0


class StepError(Exception):
    """A step cannot be done: the value seen, the rule and the way out, in one line."""


class StoppedError(StepError):
    """The step was ended because another one failed or the person interrupted."""


@dataclass(frozen=True)
class State:
    """What a look at the machine found; `what` is a phrase for the step's line."""

    done: bool
    what: str


class Job:
    """One running step: what it is doing, the commands it starts, their log.

    Commands inherit `locks`: should bootstrap be killed, a lock lasts until its last command has ended.
    """

    def __init__(self, name: str, log: Path, console: Console) -> None:
        self.name = name
        self.log = log
        self.phase = ""
        self.locks: list[int] = []
        self.started = time.monotonic()
        self._console = console
        self._children: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._stopped = False

    def say(self, text: str) -> None:
        """Prints a line at once, for what a person must know before it happens."""
        self._console.line("...", self.name, text)

    def run(
        self,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        words: Callable[[str], str] = last_line,
    ) -> None:
        """Runs a command with its output in the step's log; StepError with what `words` makes of it if it fails."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        shown = " ".join(map(str, command))
        with self.log.open("a") as log:
            log.write(f"$ {shown}\n")
            log.flush()
            begin = log.tell()
            with self._lock:
                self.breathe()
                child = subprocess.Popen(
                    list(map(str, command)),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=None if env is None else dict(env),
                    cwd=cwd,
                    start_new_session=True,
                    pass_fds=self.locks,
                )
                self._children.append(child)
            code = child.wait()
        with self._lock:
            self._children.remove(child)
            self.breathe()
        if code:
            with self.log.open(errors="replace") as log:
                log.seek(begin)
                said = words(log.read())
            raise StepError(f"`{_shorten(shown)}` exited with {code}: {said}")

    def breathe(self) -> None:
        """Raises StoppedError once the step has to end; long waits call it."""
        if self._stopped:
            raise StoppedError("stopped")

    @property
    def busy(self) -> bool:
        """True while a command of this step runs."""
        return bool(self._children)

    def end(self, number: signal.Signals) -> None:
        """Signals the commands this step started, each with all its children; no further one will start."""
        with self._lock:
            self._stopped = True
            for child in self._children:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, number)


class Step(ABC):
    """One thing the machine needs. `check` is quick and changes nothing; `act` may be repeated."""

    name: str
    needs: tuple[str, ...] = ()
    optional = False
    """Whether the others go on, and the run counts as done, where this step cannot be."""

    @abstractmethod
    def check(self) -> State:
        """Looks; well under a second when the step is done."""

    @abstractmethod
    def act(self, job: Job) -> str:
        """Makes what is missing and returns the phrase for the step's line; StepError if it cannot."""


@dataclass(frozen=True)
class _Outcome:
    name: str
    verb: str
    what: str


def run(steps: Sequence[Step], console: Console, logs: Path) -> bool:
    """Brings every step to done. True if all but optional ones are; at the first failure the others are ended."""
    waiting = list(steps)
    jobs: dict[str, Job] = {}
    outcomes: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
    done: set[str] = set()
    failed_at: float | None = None
    try:
        while jobs or (waiting and failed_at is None):
            for step in [s for s in waiting if failed_at is None and done.issuperset(s.needs)]:
                waiting.remove(step)
                job = jobs[step.name] = Job(step.name, logs / f"{step.name}.log", console)
                threading.Thread(target=_bring, args=(step, job, outcomes), daemon=True).start()
            if not jobs:
                raise ValueError(f"steps that need what no step gives: {[step.name for step in waiting]}")
            try:
                outcome = outcomes.get(timeout=TICK_SECONDS)
            except queue.Empty:
                console.progress({n: (j.phase, time.monotonic() - j.started) for n, j in jobs.items()})
                if failed_at is not None and time.monotonic() - failed_at > STOP_SECONDS:
                    _signal_all(jobs, signal.SIGKILL)
                continue
            job = jobs.pop(outcome.name)
            console.line(outcome.verb, outcome.name, outcome.what, time.monotonic() - job.started)
            if outcome.verb in ("ok", "made", "miss"):
                done.add(outcome.name)
            elif failed_at is None:
                failed_at = time.monotonic()
                _signal_all(jobs, signal.SIGTERM)
    except KeyboardInterrupt:
        _signal_all(jobs, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(job.busy for job in jobs.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
        _signal_all(jobs, signal.SIGKILL)
        raise
    return failed_at is None


def look(steps: Sequence[Step], console: Console) -> bool:
    """Prints the state of every step and changes nothing. True if all are done."""
    complete = True
    for step in steps:
        started = time.monotonic()
        try:
            state = step.check()
        except (StepError, MachineError, OSError) as error:
            state = State(False, str(error))
        complete = complete and state.done
        console.line("ok" if state.done else "miss", step.name, state.what, time.monotonic() - started)
    return complete


def _bring(step: Step, job: Job, outcomes: queue.SimpleQueue[_Outcome]) -> None:
    try:
        state = step.check()
        if state.done:
            outcomes.put(_Outcome(step.name, "ok", state.what))
            return
        job.log.unlink(missing_ok=True)
        outcomes.put(_Outcome(step.name, "made", step.act(job)))
    except StoppedError:
        outcomes.put(_Outcome(step.name, "stop", "ended, because another step failed; run it again"))
    except (StepError, MachineError, OSError) as error:
        log = f" (log: {os.path.relpath(job.log)})" if job.log.exists() else ""
        outcomes.put(_Outcome(step.name, "miss" if step.optional else "FAIL", f"{error}{log}"))
    except Exception as error:
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("a") as file:
            file.write(traceback.format_exc())
        what = f"{type(error).__name__}: {error}; a fault of this step (log: {os.path.relpath(job.log)})"
        outcomes.put(_Outcome(step.name, "FAIL", what))


def _signal_all(jobs: Mapping[str, Job], number: signal.Signals) -> None:
    for job in jobs.values():
        job.end(number)


def _shorten(command: str, limit: int = 70) -> str:
    return command if len(command) <= limit else command[: limit - 1] + "…"
