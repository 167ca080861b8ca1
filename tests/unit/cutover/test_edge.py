"""The edge is reached at its own address, under the console's name, and believed by its certificate for that name."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from cutover.edge import connected, resolver_rules
from cutover.edge_client import edge_client
from cutover.gates.probe import probes
from cutover.rollout.pinned import Pinned
from cutover.smoke.probe import Probe, Samples
from outputs.smoke import EdgeSummary
from tests.support.edge_double import TARGET
from tests.support.tls_edge import NAME, tls_edge


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeSummary]:
    with tls_edge(tmp_path_factory.mktemp("tls")) as running:
        yield running


def test_the_name_leads_nowhere_and_without_an_address_nobody_answers(edge: EdgeSummary) -> None:
    nowhere = replace(edge, address=None)

    with pytest.raises(socket.gaierror):
        connected(nowhere.url, None, nowhere.authority, 1)
    with edge_client(nowhere, 1) as http, pytest.raises(httpx.ConnectError):
        http.get("/")
    assert Pinned(nowhere, "stable").answers() is None
    assert probes(nowhere).stable.answered is False


def test_every_client_reaches_the_address_and_names_the_console(edge: EdgeSummary) -> None:
    port = urlsplit(edge.url).port
    with edge_client(edge, 1) as http:
        assert http.get("/").json()["host"] == f"{NAME}:{port}"

    assert Pinned(edge, "candidate").answers() is True
    assert Pinned(edge, "stable").undelivered() == 3
    assert [each.answered for each in (probes(edge).stable, probes(edge).candidate)] == [True, True]


def test_the_smoke_suite_does(edge: EdgeSummary) -> None:
    with Probe.of(replace(TARGET, edge=edge), Samples()) as probe:
        assert probe.send("GET", "/healthz").json()["host"].startswith(NAME)


def test_a_certificate_for_another_name_is_refused_at_the_address_too(tmp_path: Path) -> None:
    with tls_edge(tmp_path, "IP:127.0.0.1, DNS:old.web-next.test") as old:
        with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
            connected(old.url, old.address, old.authority, 1)
        with edge_client(old, 1) as http, pytest.raises(httpx.ConnectError, match="not valid for"):
            http.get("/")
        assert Pinned(old, "stable").answers() is None


def test_a_connection_that_fails_leaves_no_socket_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[socket.socket] = []
    open_one = socket.create_connection

    def create(*args: object) -> socket.socket:
        opened.append(open_one(*args))  # type: ignore[arg-type]
        return opened[-1]

    with tls_edge(tmp_path, "DNS:old.web-next.test") as old:
        monkeypatch.setattr(socket, "create_connection", create)
        with pytest.raises(ssl.SSLCertVerificationError):
            connected(old.url, old.address, old.authority, 1)
    assert [each.fileno() for each in opened] == [-1]


def test_the_browser_is_told_the_address_where_there_is_one(edge: EdgeSummary) -> None:
    assert resolver_rules(edge) == [f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
    assert resolver_rules(replace(edge, address=None)) == []
