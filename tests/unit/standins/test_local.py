"""Stand-ins talk to this machine and to nothing else."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import pytest

from offline.standins.aws.cloud import Cloud
from offline.standins.docker import Engine
from offline.standins.kind import StandinError
from offline.standins.local import _is_on_a_bridge, local_address, local_url
from offline.standins.server import Server

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
br-web\t0009D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_is_local(host: str) -> None:
    assert local_address(host, "host")


def test_an_address_of_an_interface_is_local() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("10.213.255.254", 9))  # sends nothing: asks the routing table for our own address
        own = probe.getsockname()[0]
    assert local_address(own, "host") == own


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "8.8.8.8", "0.0.0.0", "224.0.0.1", "example.com", "localhost.example.com", "", "127.1"]
)
def test_everything_else_is_refused_and_never_looked_up(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("a name was looked up"))
    with pytest.raises(StandinError, match="accept only localhost") as refusal:
        local_address(host, "host")
    assert repr(host) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("url", ["s3.example.com", "ftp://127.0.0.1", "http://", "https://192.0.2.1:443"])
def test_a_foreign_or_broken_url_is_refused(url: str) -> None:
    with pytest.raises(StandinError, match="aws endpoint of s3"):
        local_url(url, "aws endpoint of s3")


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.213.9.64", True), ("192.168.0.7", False), ("10.213.8.1", False), ("1.1.1.1", False), ("fd00::1", False)],
)
def test_a_container_is_reached_through_a_bridge_without_a_gateway(
    address: str, expected: bool, tmp_path: Path
) -> None:
    (tmp_path / "route").write_text(ROUTES)
    (tmp_path / "net" / "br-web" / "bridge").mkdir(parents=True)
    seen = _is_on_a_bridge(ipaddress.ip_address(address), tmp_path / "route", tmp_path / "net")
    assert seen is expected


def test_the_aws_provider_refuses_a_foreign_endpoint() -> None:
    with pytest.raises(StandinError, match=r"https://192\.0\.2\.1"):
        Cloud({"endpoints": '[{"s3": "http://127.0.0.1:1"}, {"rds": "https://192.0.2.1"}]'})


def test_the_aws_provider_without_an_endpoint_only_previews() -> None:
    cloud = Cloud({"region": "eu-central-1", "endpoints": '[{"s3": "http://127.0.0.1:1"}]'})
    with pytest.raises(StandinError, match="no endpoint for rds"):
        cloud.call("rds", "DescribeDBInstances")


@pytest.mark.parametrize(
    "variables",
    [{"host": "tcp://127.0.0.1:2375"}, {"host": "ssh://me@there"}, {"host": "unix:///x", "context": "remote"}],
)
def test_the_docker_provider_accepts_only_a_socket(variables: dict[str, str]) -> None:
    with pytest.raises(StandinError, match="this machine's socket only"):
        Engine(variables)


def test_the_postgresql_provider_refuses_a_foreign_host() -> None:
    assert Server({"host": "127.0.0.1"}).user == "postgres"
    for host in ("db.example.com", "192.0.2.1", ""):
        with pytest.raises(StandinError, match="postgresql provider: host"):
            Server({"host": host})
