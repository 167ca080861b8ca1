"""What checks ask beside the edge, without sockets: a store, a receiver, Prometheus, Grafana, and Docker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import docker
import httpx
import pytest
from docker.errors import NotFound

Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class Outside:
    """Every client of httpx that has no transport of its own talks to `answers`, by method and path; `asked` is what
    it was sent. What nobody answers is refused as a closed port is."""

    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Outside:
        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", lambda _transport, request: self._handle(request))
        return self

    def answer(self, method: str, path: str, document: Any, status: int = 200) -> None:
        """From now on the path answers with this JSON."""
        self.answers[method, path] = lambda _request: httpx.Response(status, json=document)

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.get((request.method, request.url.path))
        if answer is None:
            raise httpx.ConnectError("connection refused", request=request)
        request.read()
        return answer(request)


def running(image: str, **state: Any) -> SimpleNamespace:
    """A container that runs, as Docker describes it; `state` is what differs."""
    known = {
        "Status": "running",
        "Running": True,
        "Restarting": False,
        "Paused": False,
        "Health": {"Status": "healthy"},
    }
    return SimpleNamespace(attrs={"Image": image, "State": known | state}, ports={})


def containers(monkeypatch: pytest.MonkeyPatch, found: dict[str, SimpleNamespace]) -> None:
    """Docker, as far as checks ask it: these containers by their names and no others."""

    def get(name: str) -> SimpleNamespace:
        if name not in found:
            raise NotFound(f"no such container: {name}")
        return found[name]

    client = SimpleNamespace(containers=SimpleNamespace(get=get), close=lambda: None)
    monkeypatch.setattr(docker, "DockerClient", lambda **_: client)
