"""The edge's log in memory and its reader, as the stack runs them; and requests faster than anybody sends them."""

from __future__ import annotations

import re
import socket
import ssl
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from infra.nginx import LINES, TEMPLATES
from tests.support.containers import LABEL, container, docker, free_port, wait_until

ANSWERS = 'web_next_edge_answers_total{answered_by="%s",mock="%s",outcome="%s",track="%s",traffic="%s"}'


@contextmanager
def volume(size: str = "32m") -> Iterator[str]:
    """A volume of memory; yield its name."""
    name = f"web-next-test-{uuid.uuid4().hex[:8]}"
    options = ("--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", f"o=size={size},mode=0755")
    docker("volume", "create", "--label", LABEL, *options, name)
    try:
        yield name
    finally:
        docker("volume", "rm", "--force", name)


@contextmanager
def reader(images: dict[str, str], folder: Path, lines: str, *options: str) -> Iterator[Reader]:
    """mtail on the volume with the stack's own program, its files in `folder`."""
    for name in ("edge.mtail", "reader.sh"):
        (folder / name).write_text((TEMPLATES / name).read_text())
    folder.chmod(0o755)
    port = free_port()
    confined = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--publish", f"127.0.0.1:{port}:3903")
    mounts = ("--volume", f"{folder}:/etc/mtail:ro", "--volume", f"{lines}:{LINES}:ro")
    command = ("-c", 'exec bash /etc/mtail/reader.sh "$(hostname -i)"')
    with container(images["mtail"], *confined, *mounts, *options, "--entrypoint", "bash", command=command) as running:
        made = Reader(running, port)
        wait_until(lambda: bool(made.text()), "the reader")
        yield made


class Reader:
    """A running reader and what it has counted."""

    def __init__(self, container: str, port: int) -> None:
        self.id, self._port = container, port

    def text(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
            text = str(answer.read().decode())
        for prog in ('{prog="edge.mtail"}', 'prog="edge.mtail",', ',prog="edge.mtail"'):
            text = text.replace(prog, "")
        return text

    def figures(self) -> dict[str, float]:
        """The edge's metrics by name and labels."""
        found = re.findall(r"^(web_next_\S+?(?:\{.*\})?) (\S+)$", self.text(), re.MULTILINE)
        return {name: float(value) for name, value in found}

    def total(self, metric: str, label: str = "") -> float:
        """The sum of a metric's series that have the label."""
        return sum(
            value for name, value in self.figures().items() if re.match(rf"{metric}(\{{|$)", name) and label in name
        )


def connected(port: int) -> ssl.SSLSocket:
    """A connection to the edge on this machine."""
    return _whoever().wrap_socket(socket.create_connection(("127.0.0.1", port)))


@cache
def _whoever() -> ssl.SSLContext:
    """Made once: it takes longer than a connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def raw(port: int, sent: bytes) -> None:
    """Sends something, whole or not, and is gone when the answer begins or well over a second has passed."""
    with connected(port) as connection:
        connection.settimeout(1.5)
        connection.sendall(sent)
        with suppress(TimeoutError):
            connection.recv(1)


def burst(port: int, requests: int, path: str = "/api/x", connections: int = 6) -> None:
    """Sends GETs without waiting for an answer before the next, and returns when all are answered."""
    open_ = []
    for number in range(connections):
        own = requests // connections + (number < requests % connections)
        one = f"GET {path} HTTP/1.1\r\nHost: edge\r\n"
        connection = connected(port)
        connection.sendall(f"{one}\r\n".encode() * (own - 1) + f"{one}Connection: close\r\n\r\n".encode())
        open_.append(connection)
    for connection in open_:
        with connection:
            while connection.recv(65536):
                pass
