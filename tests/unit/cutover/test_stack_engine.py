"""Pulumi's CLI as an update runs it: what it says, and that nothing which it started outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pulumi import automation as auto

from cutover.stacks.engine import Engine, looked

ROOT = Path(__file__).parents[3]

PLUGIN = (
    'python3 -c \'import os, time; os.setpgid(0, 0); open("plugin", "w").write(str(os.getpid())); time.sleep(60)\' '
    "</dev/null >/dev/null 2>&1 &"
)
"""Pulumi gives a plugin a group of its own, and whoever kills Pulumi leaves it."""
READY = "while [ ! -s plugin ]; do sleep 0.02; done"
UPDATES = "while :; do sleep 0.05; done"

Pulumi = Callable[[str], Engine]


@pytest.fixture
def pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pulumi:
    """A CLI that does what a test says."""

    def made(does: str) -> Engine:
        cli = tmp_path / "bin" / "pulumi"
        cli.parent.mkdir()
        cli.write_text(f"#!/bin/sh\n[ $1 = version ] && echo v3.259.0 && exit\n{does}\n")
        cli.chmod(0o755)
        monkeypatch.setenv("PATH", f"{cli.parent}:{os.environ['PATH']}")
        return Engine()

    return made


def ended(pid: int) -> bool:
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_what_it_says_is_read_line_by_line_and_returned(pulumi: Pulumi, tmp_path: Path) -> None:
    engine, heard = pulumi("echo $*; echo two; echo three >&2"), list[str]()

    done = engine.run(["stack", "ls"], str(tmp_path), {}, heard.append)

    assert (done.stdout, done.stderr, done.code) == ("--non-interactive stack ls\ntwo", "three", 0)
    assert heard == ["--non-interactive stack ls", "two"]


def test_a_command_that_fails_is_the_automation_apis_error(pulumi: Pulumi, tmp_path: Path) -> None:
    engine = pulumi("echo 'error: [409] Conflict: Another update is currently in progress.' >&2; exit 255")

    with pytest.raises(auto.ConcurrentUpdateError, match="Another update"):
        engine.run(["up"], str(tmp_path), {})


def test_a_plugin_that_outlives_its_engine_is_ended(pulumi: Pulumi, tmp_path: Path) -> None:
    pulumi(f"{PLUGIN} {READY}").run(["up"], str(tmp_path), {})

    assert ended(int((tmp_path / "plugin").read_text()))


RUNS = """
import sys
from cutover.commands import app
from cutover.stacks.engine import Engine
def main():
    try:
        Engine().run(["up"], sys.argv[1], {})
    except KeyboardInterrupt:
        sys.exit(130)
app.main = main
import cutover.__main__
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_whoever_is_interrupted_has_the_engine_end_and_then_all_that_it_started(
    pulumi: Pulumi, tmp_path: Path, number: signal.Signals
) -> None:
    pulumi(
        f"{PLUGIN} trap 'sleep 0.3; echo ended >state; exit 1' INT; trap '' TERM HUP; {READY}; touch begun; {UPDATES}"
    )

    with started(tmp_path) as run:
        until(tmp_path / "begun")
        os.killpg(run.pid, number)  # as a terminal sends it
        run.wait(10)

    assert run.returncode == 130
    assert (tmp_path / "state").read_text() == "ended\n", "the engine has had its time"
    assert ended(int((tmp_path / "plugin").read_text()))


def test_a_second_interrupt_waits_for_no_engine(pulumi: Pulumi, tmp_path: Path) -> None:
    pulumi(f"{PLUGIN} trap 'touch told' INT; {READY}; touch begun; {UPDATES}")

    with started(tmp_path) as run:
        until(tmp_path / "begun")
        run.send_signal(signal.SIGINT)
        until(tmp_path / "told")
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
        run.wait(10)

    assert run.returncode
    assert ended(int((tmp_path / "plugin").read_text()))


LOOKS = """
import os, sys
from cutover.commands import app
from cutover.stacks import engine
engine.LOOK_SECONDS = 0.2
def main():
    try:
        engine.looked(["pulumi", "preview"], os.environ)
    except KeyboardInterrupt:
        sys.exit(130)
app.main = main
import cutover.__main__
"""


def test_an_interrupted_look_waits_for_no_engine_that_does_not_end(pulumi: Pulumi, tmp_path: Path) -> None:
    pulumi(f"{PLUGIN} trap '' INT; {READY}; touch begun; {UPDATES}")

    with started(tmp_path, LOOKS) as run:
        until(tmp_path / "begun")
        run.send_signal(signal.SIGTERM)
        run.wait(10)

    assert run.returncode == 130
    assert ended(int((tmp_path / "plugin").read_text()))


def test_a_look_says_what_its_command_said(pulumi: Pulumi) -> None:
    pulumi("echo out; echo err >&2; exit 3")

    done = looked(["pulumi", "preview"], os.environ)

    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)


@contextmanager
def started(folder: Path, program: str = RUNS) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a session of its own, which hears a hang-up though whoever runs the tests may not; ended after the
    block."""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    ) as run:
        try:
            yield run
        finally:
            run.kill()


def until(file: Path) -> None:
    deadline = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
