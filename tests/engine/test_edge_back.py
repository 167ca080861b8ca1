"""The way back at the real edge: frozen controllers, edges that do not answer, and the line for a person's hand."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from cutover.errors import CutoverError, RefusedError, TrafficError
from cutover.traffic import docker as edge_traffic
from cutover.traffic.docker import EdgeTraffic
from cutover.traffic.split import Mark, Share
from infra.nginx import WEIGHTS
from tests.support.containers import docker, pause, wait_until
from tests.support.edges import Edge, StartEdge, config

pytestmark = pytest.mark.engine

CONTROLLER = """
import os, signal, sys
from cutover.errors import RefusedError
from cutover.traffic.docker import EdgeTraffic
from cutover.traffic.split import Mark
container, folder = sys.argv[1:]
os.kill(os.getpid(), signal.SIGSTOP)  # its record is written, and the weight not yet set
try:
    EdgeTraffic(container=container, folder=folder).set(50, Mark(rollout="r7", revision=6))
except RefusedError as error:
    print(error)
"""
STATE = "cat /proc/$(cat /tmp/frozen)/stat 2>/dev/null || :"
IN_FORCE = Mark(rollout="r7", revision=5)
TAKEN_BACK = Share(weight=0, mark=IN_FORCE, taken_back=frozenset({"r7"}))


@pytest.fixture(scope="module")
def shared(start_edge: StartEdge) -> Iterator[Edge]:
    with start_edge(config("stable", "candidate")) as running:
        yield running


@pytest.fixture
def edge(shared: Edge) -> Edge:
    """An edge that a rollout has set to 10."""
    inside(shared, f"cd {WEIGHTS} && rm -rf now mark latched w* /tmp/frozen")
    shared.traffic.set(10, IN_FORCE)
    return shared


def inside(edge: Edge, script: str) -> str:
    return docker("exec", edge.id, "sh", "-c", script)


@contextmanager
def load(edge: Edge) -> Iterator[Callable[[], list[float]]]:
    """Four clients who ask without a pause; gives when the requests began, by time.monotonic(), that the candidate has
    answered. Any that fails ends the test."""
    stop, failures, begun = threading.Event(), list[str](), list[float]()

    def client() -> None:
        with httpx.Client(base_url=edge.client.base_url, verify=False, trust_env=False) as http:
            while not stop.is_set():
                began = time.monotonic()
                try:
                    answer = http.get("/page")
                    if answer.headers["x-edge-track"] == "candidate":
                        begun.append(began)
                    if answer.status_code != 200:
                        failures.append(str(answer.status_code))
                except httpx.HTTPError as error:
                    failures.append(repr(error))

    clients = [threading.Thread(target=client) for _ in range(4)]
    for each in clients:
        each.start()
    try:
        yield lambda: begun
    finally:
        stop.set()
        for each in clients:
            each.join()
    assert failures == []


def test_a_controller_that_was_frozen_before_it_set_the_weight_is_refused_when_it_thaws(edge: Edge) -> None:
    command = [sys.executable, "-c", CONTROLLER, edge.id, WEIGHTS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as controller, load(edge) as candidates:
        try:
            os.waitid(os.P_PID, controller.pid, os.WSTOPPED)
            edge.traffic.take_back("r7")
            began = time.monotonic()
            controller.send_signal(signal.SIGCONT)
            said, _ = controller.communicate(timeout=30)
            time.sleep(1)
        finally:
            controller.kill()

    assert "rollout r7 was taken back" in said
    assert edge.traffic.get() == TAKEN_BACK
    assert [at for at in candidates() if at > began] == []


@contextmanager
def frozen(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[float, CutoverError]]]:
    """A command of revision 6 for 50 percent that has found nothing against it, and froze before it set anything;
    gives what thaws it, which returns when it has ended, with the seconds and the error that its caller had."""
    stops = edge_traffic._SET.replace("\nfi\nswap\n", "\nfi\necho $$ >/tmp/frozen\nkill -STOP $$\nswap\n")
    assert stops != edge_traffic._SET
    ended = list[tuple[float, CutoverError]]()

    def sets() -> None:
        began = time.monotonic()
        try:
            edge.traffic.set(50, Mark(rollout="r7", revision=6))
        except CutoverError as error:
            ended.append((time.monotonic() - began, error))

    def thaw() -> tuple[float, CutoverError]:
        setter.join()
        inside(edge, "kill -CONT $(cat /tmp/frozen)")
        wait_until(lambda: not inside(edge, STATE), "the command's end", 5)
        return ended[0]

    setter = threading.Thread(target=sets)
    with monkeypatch.context() as patched:
        patched.setattr(edge_traffic, "_SET", stops)
        setter.start()
        wait_until(lambda: ") T " in inside(edge, STATE), "the command that is frozen", 5)
    try:
        yield thaw
    finally:
        setter.join()
        inside(edge, "kill -KILL $(cat /tmp/frozen) 2>/dev/null || :")


def test_a_command_that_froze_at_the_edge_takes_back_what_it_raises_when_it_thaws(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    with frozen(edge, monkeypatch) as thaw:
        edge.traffic.take_back()  # who holds the lock is not waited for
        seconds, error = thaw()

    assert edge.traffic.get() == replace(TAKEN_BACK, mark=Mark(rollout="r7", revision=6))
    assert 2.9 < seconds < 4
    assert isinstance(error, TrafficError)
    assert "nothing came within 3 s" in str(error)


def test_who_sets_a_weight_while_another_does_is_told_so_and_nothing_is_mixed(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = Mark(rollout="r7", revision=7)
    with frozen(edge, monkeypatch) as thaw:
        with pytest.raises(TrafficError, match=r"the weight is as it was \(somebody else sets it\); try again"):
            edge.traffic.set(20, newer)
        thaw()

    assert edge.traffic.get() == Share(weight=50, mark=Mark(rollout="r7", revision=6))
    edge.traffic.set(20, newer)
    assert edge.traffic.get() == Share(weight=20, mark=newer)


def test_a_paused_edge_is_said_within_three_seconds(edge: Edge) -> None:
    pause(edge.id)
    try:
        for call in (edge.traffic.get, edge.traffic.take_back, lambda: edge.traffic.set(10)):
            began = time.monotonic()
            with pytest.raises(TrafficError, match=f"edge {edge.id} does not run: .*docker unpause .*paused"):
                call()
            assert time.monotonic() - began < 3
    finally:
        docker("unpause", edge.id)


def test_a_frozen_nginx_keeps_nobody_from_taking_back(edge: Edge) -> None:
    docker("kill", "--signal", "STOP", edge.id)
    try:
        began = time.monotonic()
        edge.traffic.take_back()
        assert time.monotonic() - began < 3
    finally:
        docker("kill", "--signal", "CONT", edge.id)
    assert edge.traffic.get() == TAKEN_BACK


def test_the_line_for_a_person_takes_all_traffic_back_under_load_and_the_rollout_goes_on_by_a_verb(edge: Edge) -> None:
    edge.traffic.set(50, IN_FORCE)
    with load(edge) as candidates:
        wait_until(lambda: len(candidates()) > 50, "the candidate's answers")
        subprocess.run(shlex.split(edge.traffic.by_hand()), check=True, timeout=30)
        done = time.monotonic()
        time.sleep(1)
    assert [at for at in candidates() if at > done] == []
    assert edge.traffic.get() == Share(weight=0, mark=IN_FORCE)
    with pytest.raises(RefusedError, match="older than what is in force"):
        edge.traffic.set(50, Mark(rollout="r7", revision=4))

    edge.traffic.set(10, Mark(rollout="r7", revision=6))
    assert edge.traffic.get().weight == 10


def test_an_edge_that_is_not_there_is_said() -> None:
    with pytest.raises(TrafficError, match="there is no edge nobody: bring its stack up first"):
        EdgeTraffic(container="nobody", folder=WEIGHTS).take_back()
