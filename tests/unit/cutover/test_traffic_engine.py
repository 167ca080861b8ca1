"""Docker's socket, when Docker or what listens there does not do its part."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cutover.traffic import engine


@pytest.fixture
def socket_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(engine, "SOCKET", str(tmp_path / "docker.sock"))
    return engine.SOCKET


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SECONDS", 0.3)


def answering(path: str, *answers: Callable[[socket.socket], None]) -> socket.socket:
    """A listener that gives its connections these answers, one after the other."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve() -> None:
        for answer in answers:
            with contextlib.suppress(OSError):  # who asks may have gone
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    answer(connection)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

    threading.Thread(target=serve, daemon=True).start()
    return listener


def slow(text: str) -> Callable[[socket.socket], None]:
    """An answer that is two thirds of the time in coming."""
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}"

    def late(connection: socket.socket) -> None:
        time.sleep(0.2)
        connection.sendall(answer.encode())

    return late


@pytest.mark.usefixtures("hurried")
def test_a_docker_that_is_frozen_is_not_waited_for(socket_path: str) -> None:
    with answering(socket_path), pytest.raises(engine.EngineError, match=r"nothing came within 0\.3 s") as silent:
        engine.run("edge", "true")
    assert silent.value.status is None


@pytest.mark.usefixtures("hurried")
def test_all_requests_of_a_command_have_one_time_between_them(socket_path: str) -> None:
    with (
        answering(socket_path, slow('{"Id": "1"}'), slow(""), slow('{"ExitCode": 0}')),
        pytest.raises(engine.EngineError, match="nothing came within"),
    ):
        engine.run("edge", "true")


def test_a_machine_without_docker_and_an_answer_that_is_none_are_said(socket_path: str) -> None:
    with pytest.raises(engine.EngineError, match="No such file"):
        engine.run("edge", "true")
    with (
        answering(socket_path, lambda connection: connection.sendall(b"who is there?\r\n")),
        pytest.raises(engine.EngineError, match="who is there"),
    ):
        engine.run("edge", "true")
