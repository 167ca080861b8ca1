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


def answering(path: str, *given: Callable[[socket.socket], None]) -> socket.socket:
    """A listener that gives its connections these answers, one after the other."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve() -> None:
        for give in given:
            with contextlib.suppress(OSError):  # who asks may have gone
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    give(connection)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

    threading.Thread(target=serve, daemon=True).start()
    return listener


def answer(text: str, *, after: float = 0.0) -> Callable[[socket.socket], None]:
    """An answer, so many seconds late."""
    whole = f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}"

    def late(connection: socket.socket) -> None:
        time.sleep(after)
        connection.sendall(whole.encode())

    return late


def test_a_command_whose_output_has_ended_is_asked_until_it_has_ended_itself(socket_path: str) -> None:
    frames = "\x01\0\0\0\0\0\0\x03abc\x02\0\0\0\0\0\0\x01d"
    running, ended = '{"Running": true, "ExitCode": null}', '{"Running": false, "ExitCode": 3}'
    with answering(socket_path, *map(answer, ('{"Id": "1"}', frames, running, running, ended))):
        assert engine.run("edge", "true") == engine.Done(3, "abcd")


@pytest.mark.usefixtures("hurried")
def test_a_docker_that_is_frozen_is_not_waited_for(socket_path: str) -> None:
    with answering(socket_path), pytest.raises(engine.EngineError, match=r"nothing came within 0\.3 s") as silent:
        engine.run("edge", "true")
    assert silent.value.status is None


@pytest.mark.usefixtures("hurried")
def test_all_requests_of_a_command_have_one_time_between_them(socket_path: str) -> None:
    with (
        answering(socket_path, *(answer(text, after=0.2) for text in ('{"Id": "1"}', "", '{"Running": false}'))),
        pytest.raises(engine.EngineError, match="nothing came within"),
    ):
        engine.run("edge", "true")


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("ends", ["by its length", "with the connection"])
def test_a_docker_that_answers_byte_by_byte_is_hung_up_on(socket_path: str, ends: str) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 900\r\n\r\n" if ends == "by its length" else b"\r\n")

    def dribble(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(30):
            connection.sendall(b" ")
            time.sleep(0.1)

    began = time.monotonic()
    with answering(socket_path, dribble), pytest.raises(engine.EngineError, match=r"nothing came within 0\.3 s"):
        engine.run("edge", "true")
    assert time.monotonic() - began < 1


def test_a_machine_without_docker_and_an_answer_that_is_none_are_said(socket_path: str) -> None:
    with pytest.raises(engine.EngineError, match="No such file"):
        engine.run("edge", "true")
    with (
        answering(socket_path, lambda connection: connection.sendall(b"who is there?\r\n")),
        pytest.raises(engine.EngineError, match="who is there"),
    ):
        engine.run("edge", "true")
