"""A Docker that takes its requests and answers none: the commands on the way back end in seconds, and say so."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cutover.commands import command
from cutover.commands.app import main
from cutover.errors import TrafficError
from cutover.rollout.record import State
from cutover.rollout.store import LOCAL, Copy
from cutover.stacks import outputs
from cutover.stacks.outputs import Outputs
from cutover.traffic import engine
from outputs.traffic import DockerTraffic
from tests.support.edge_double import TARGET
from tests.support.rollouts import RECORD

CLOSED = "http://127.0.0.1:9"
PLACES = replace(TARGET.places, emulator=CLOSED, metrics_url=CLOSED)
EDGE = replace(TARGET.edge, url="https://127.0.0.1:9", authority=None)
WAITS = 0.2


@pytest.fixture(autouse=True)
def slow_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A rollout in its second phase, known on this machine, whose Docker is slow and whose rest is away."""
    monkeypatch.setattr(engine, "SOCKET", str(tmp_path / "docker.sock"))
    monkeypatch.setattr(engine, "SECONDS", WAITS)
    monkeypatch.setattr(command, "PROJECT", tmp_path)
    traffic = DockerTraffic(container="edge", folder="/weights").output()
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, {"traffic": traffic}))
    targets = replace(RECORD.targets, places=PLACES, edge=EDGE)
    Copy("local", tmp_path / LOCAL).keep(replace(RECORD, state=State.STAGED, targets=targets))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(engine.SOCKET)
        listener.listen()
        yield


@pytest.mark.parametrize(
    ("typed", "waits"),
    [
        (["traffic", "-s", "local"], 1),
        (["traffic", "-s", "local", "0"], 2),
        (["rollback", "-s", "local"], 2),
        (["rollback", "-s", "local", "--anyway"], 2),
    ],
)
def test_what_asks_docker_ends_after_a_wait_or_two_and_names_it(
    typed: list[str], waits: int, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    code = main(typed)
    took = time.monotonic() - began

    said = capsys.readouterr().err
    assert code == TrafficError.exit_code, said
    assert f"Docker does not answer (nothing came within {WAITS:g} s): start it (make doctor)" in said
    assert "\n" not in said.strip()
    assert took < waits * WAITS + 1


def test_status_says_where_the_rollout_is_and_that_nobody_knows_what_routes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["status", "-s", "local"])

    assert "Docker does not answer" in capsys.readouterr().out
