"""Rollouts on a stage of their own, under load, for tests that break them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cutover.rollout.record import Record, State
from offline.images.build import Images
from outputs.smoke import DockerProcesses
from rehearsal.books import Books
from rehearsal.load import Load, load
from rehearsal.operator import Done, Operator
from rehearsal.play import Console, Play
from rehearsal.report import Report
from rehearsal.stage import CRITERIA, Stage
from tests.support import faulty
from tests.support.faults import hanging, stopped
from tests.support.system import System, new_system

STABLE, CANDIDATE = "1.5.1", "1.5.2"
RATE = 200.0
HOLDS = {"canary": 15, "staged": 12, "production": 8}
"""Seconds; at this rate each gate has its sample."""
HELD, ROLLED_BACK, REFUSED, UNFINISHED = 11, 12, 13, 14


@dataclass
class Rollouts:
    """A base with real adapters and, as its candidate, a release with bugs that begin when a test says so."""

    play: Play
    system: System
    load: Load
    app: str
    """The candidate's container."""

    @property
    def base(self) -> str:
        return self.play.stage.base

    def cutover(self, *words: str, expected: Sequence[int] = (0,)) -> Done:
        """A verb on the base."""
        return self.play.operator.cutover(words[0], "-s", self.base, *words[1:], expected=expected)

    def to(self, phase: str) -> None:
        """A new rollout, in the phase, which has just begun."""
        self.cutover("canary", "--unsigned", "a test")
        for before, verb in (("canary", "staged"), ("staged", "production")):
            if phase == before:
                return
            self.cutover("status", "--wait", "90s")
            self.cutover(verb)

    def wait(self, seconds: int = 90, *, expected: Sequence[int] = (0,)) -> Done:
        """Looks on until the phase has ended."""
        return self.cutover("status", "--wait", f"{seconds}s", expected=expected)

    def caught_up(self) -> None:
        """Ticks until nothing is left that a turn could not reach; what was away may answer slowly at first."""
        deadline = time.monotonic() + 60
        while self.cutover("tick", expected=(0, UNFINISHED)).code == UNFINISHED:
            assert time.monotonic() < deadline, self.status()

    def status(self) -> dict[str, Any]:
        """What `cutover status` says."""
        return dict(json.loads(self.cutover("status", "--json").text))

    @property
    def weight(self) -> int:
        """What routes."""
        done = self.play.operator.cutover("traffic", "-s", self.base, "--json", quiet=True)
        return int(json.loads(done.text)["candidate"])

    @property
    def record(self) -> Record:
        """The newest record that this machine has seen."""
        found = self.play.record
        assert found
        return found

    def clean(self) -> None:
        """Takes back whatever a test left."""
        if self.play.record and self.play.record.state.running:
            self.cutover("rollback")
        assert self.record.state is State.ROLLED_BACK
        assert self.weight == 0


@contextmanager
def rollouts(rate: float = RATE) -> Iterator[Rollouts]:
    """A base that is up, its candidate prepared, and load of `rate` requests a second."""
    with new_system() as system, system.signing():
        images = Images().present()
        stage = Stage(machine=system.machine, images=images, holds=HOLDS, root=system.folder)
        say = Console()
        operator = Operator(root=stage.root, log=stage.root / "commands.log", say=say, environment=system.environment)
        play = Play(stage=stage, operator=operator, folder=stage.root, rate=rate, report=Report(title="soak"), say=say)
        stage.set(STABLE, list(CRITERIA), candidate=False, proven=False)
        buggy = replace(stage, images={**images, "web-next": faulty.build(images["web-next"])})
        buggy.set(CANDIDATE, list(CRITERIA), candidate=True)
        operator.pulumi("stack", "init", "--no-select", stage.base)
        operator.pulumi("up", "--yes", "--skip-preview", "--stack", stage.base)
        operator.cutover("canary", "-s", stage.base, expected=(REFUSED,))
        processes = play.deployed(stage.candidate).processes
        assert isinstance(processes, DockerProcesses)
        books = Books(play.deployed(stage.base).places)
        with books.followed(), load(stage, rate=play.rate, keep=play.folder / "requests.jsonl") as clients:
            yield Rollouts(play=play, system=replace(system, stack=stage.base), load=clients, app=processes.app)


@contextmanager
def no_pulumi(running: Rollouts, folder: Path) -> Iterator[Path]:
    """Pulumi's state is elsewhere, and the CLI leaves a note when somebody calls it."""
    state, note = running.system.folder / "state", folder / "called"
    (folder / "bin").mkdir()
    called = folder / "bin" / "pulumi"
    called.write_text(f'#!/bin/sh\necho "$@" >>{note}\nexit 1\n')
    called.chmod(0o755)
    environment = running.play.operator.environment
    path = environment["PATH"]
    environment["PATH"] = f"{called.parent}:{path}"
    state.rename(folder / "state")
    try:
        yield note
    finally:
        (folder / "state").rename(state)
        environment["PATH"] = path


@contextmanager
def all_else_away(running: Rollouts, folder: Path) -> Iterator[Path]:
    """Pulumi's state is moved away, Postgres and Prometheus are stopped, and what stands in for AWS hangs."""
    with ExitStack() as away:
        called = away.enter_context(no_pulumi(running, folder))
        for part in ("audit", "prometheus"):
            away.enter_context(stopped(running.system.container(part)))
        away.enter_context(hanging(running.system.emulator))
        yield called


@contextmanager
def updating(running: Rollouts, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`cutover up` of the base runs, from when it holds the lock on; the block's end waits for it."""
    update = running.system.start(*running.system.up_command, "--refresh")
    try:
        while not running.system.locks:
            assert update.poll() is None
            time.sleep(0.1)
        yield update
    finally:
        update.communicate(timeout=120)


@contextmanager
def impatient(running: Rollouts, folder: Path) -> Iterator[Load]:
    """Instead of the load there is one whose clients give up after a second."""
    stage = replace(running.play.stage, patience=1.0)
    while not running.load.requests:
        time.sleep(0.1)
    subprocess.run(["docker", "stop", stage.crowd_name], check=True, capture_output=True)
    with load(stage, rate=RATE, keep=folder / "requests.jsonl") as seen:
        yield seen
