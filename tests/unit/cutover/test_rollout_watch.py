"""The watch: it says what changes, survives what fails, ends when told to, and its heartbeat says that it ticks."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from cutover.commands.app import main
from cutover.commands.watch import ticks
from cutover.errors import NotPreparedError, TrafficError, UnreachableError
from cutover.rollout.heartbeat import Heartbeat
from cutover.rollout.record import KEY
from cutover.rollout.status import Status
from cutover.rollout.watch import Watch, told
from tests.support.rollout_states import named

Outcome = Status | Exception | None


class Said:
    """A watch of these ticks, run to the last of them, and what it has said without the times."""

    def __init__(self, *ticks: Outcome) -> None:
        self.left = list(ticks)
        self.lines: list[str] = []
        self.heartbeat = Heartbeat()
        self.watch = Watch(tick=self._tick, heartbeat=self.heartbeat, say=self.lines.append, seconds=0.0)
        self.watch.run()

    def _tick(self) -> Status | None:
        outcome = self.left.pop(0)
        if not self.left:
            self.watch.end()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @property
    def texts(self) -> list[str]:
        return [line.partition(" ")[2] for line in self.lines]

    def gauge(self, name: str, **labels: str) -> float | None:
        return self.heartbeat.registry.get_sample_value(name, labels)


def test_a_line_is_said_for_each_change_and_none_while_nothing_changes() -> None:
    early, late, held = (named(name).status for name in ("inconclusive", "passed", "held"))
    said = Said(None, None, early, early, late, held, held)

    assert said.texts == [
        "there is no rollout",
        "canary at 10 %, web-next 1.5.0 → 1.5.1: inconclusive",
        "canary at 10 %, web-next 1.5.0 → 1.5.1: pass",
        "staged at 50 %, held, web-next 1.5.0 → 1.5.1: shared (audit elsewhere); audit elsewhere: 30 of 150 "
        "are 20.0%, at most 2.0% may be, and stable has 30 of 150",
    ]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", said.lines[0])


def test_what_routes_otherwise_and_what_is_left_are_told() -> None:
    line = told(named("other weight").status)

    assert line.startswith("staged at 10 %")
    assert line.endswith(
        "10 % is routed where the record says 50 %: cutover resume -s local sets it again; left: flags candidate"
    )


def test_a_tick_that_fails_is_said_once_and_the_next_one_is_tried() -> None:
    error = TrafficError("Docker does not answer:\nstart it")
    said = Said(error, error, RuntimeError("a bug"), named("passed").status)

    assert said.texts == [
        "no tick: Docker does not answer: start it",
        "no tick, by an error of cutover's own: RuntimeError: a bug",
        "canary at 10 %, web-next 1.5.0 → 1.5.1: pass",
    ]


def test_the_heartbeat_has_what_the_last_tick_saw() -> None:
    before = time.time()
    said = Said(named("passed").status, named("other weight").status)

    assert before <= (said.gauge("web_next_rollout_tick_time_seconds") or 0) <= time.time()
    assert said.gauge("web_next_rollout_phase_on") == 1
    assert said.gauge("web_next_rollout_weight", of="record") == 50
    assert said.gauge("web_next_rollout_weight", of="routes") == 10
    assert said.gauge("web_next_rollout_gate_evidence", gate="slow against stable") == 0
    gone = Said(named("other weight").status, named("inconclusive").status)
    assert gone.gauge("web_next_rollout_gate_evidence", gate="slow against stable") is None


@pytest.mark.parametrize("name", ["held", "prepared", "rolled back", "finished"])
def test_nobody_must_watch_what_is_held_or_has_no_phase(name: str) -> None:
    assert Said(named(name).status).gauge("web_next_rollout_phase_on") == 0


def test_the_heartbeat_says_that_a_hold_keeps_users_at_the_candidate() -> None:
    assert Said(named("held").status).gauge("web_next_rollout_held") == 1
    for other in (None, named("passed").status, named("rolled back").status):
        assert Said(named("held").status, other).gauge("web_next_rollout_held") == 0


def test_the_heartbeat_stands_still_when_ticks_fail() -> None:
    said = Said(TrafficError("away"))

    assert said.gauge("web_next_rollout_tick_time_seconds") == 0


@pytest.mark.parametrize("kind", ["empty", "a folder"])
def test_a_copy_that_is_there_and_cannot_be_read_is_no_tick_and_nobody_is_told_that_there_is_no_rollout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    path = Path(".local/rollout/local") / KEY
    tick = ticks("local")
    assert tick() is None

    path.parent.mkdir(parents=True)
    path.touch() if kind == "empty" else path.mkdir()
    with pytest.raises(UnreachableError) as unread:
        tick()
    said = Said(unread.value)
    assert said.gauge("web_next_rollout_tick_time_seconds") == 0
    assert "rollout.json is there and cannot be read" in said.texts[0]


@pytest.fixture
def long_watch() -> Iterator[tuple[Watch, Callable[[], None]]]:
    """A watch with a minute between its ticks, in a thread."""
    ticked = threading.Event()
    watch = Watch(tick=lambda: ticked.set(), heartbeat=Heartbeat(), say=lambda _: None, seconds=60.0)
    thread = threading.Thread(target=watch.run)
    thread.start()
    assert ticked.wait(5)
    yield watch, lambda: thread.join(5)
    watch.end()
    thread.join(5)
    assert not thread.is_alive()


def test_it_ends_between_two_ticks_at_once(long_watch: tuple[Watch, Callable[[], None]]) -> None:
    watch, ended = long_watch
    began = time.monotonic()
    watch.end()
    ended()

    assert time.monotonic() - began < 1


def test_the_heartbeat_is_read_on_its_port_and_the_port_is_free_again_afterwards() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    heartbeat = Heartbeat()
    heartbeat.beat(1_700_000_000.0, None)
    stop = heartbeat.serve("127.0.0.1", port)
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    finally:
        stop()

    assert "web_next_rollout_tick_time_seconds 1.7e+09" in text
    assert "web_next_rollout_phase_on 0.0" in text
    socket.create_server(("127.0.0.1", port)).close()


def test_the_command_watches_until_it_is_told_to_end_and_frees_its_port() -> None:
    """Without Pulumi's environment and without a record, as a container of a stack that never had a rollout."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI")}
    command = [sys.executable, "-m", "cutover", "watch", "-s", "nowhere", "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as running:
        _watched_until_told_to_end(running, port)


def _watched_until_told_to_end(running: subprocess.Popen[str], port: int) -> None:
    assert running.stdout
    assert running.stdout.readline().endswith("Z there is no rollout\n")
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    assert "web_next_rollout_phase_on 0.0" in text
    running.terminate()

    assert running.wait(5) == 0, "the ten seconds to the next tick are not waited for"
    assert running.stdout.read() == ""


def test_a_port_that_is_taken_is_said_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        before = signal.getsignal(signal.SIGTERM)
        assert main(["watch", "-s", "local", "--listen", listen]) == NotPreparedError.exit_code
        signal.signal(signal.SIGTERM, before)

    assert f"cannot be shown at {listen}" in capsys.readouterr().err
