"""What keeps tests from AWS, and from everybody else: they ask this machine and the clones' Docker networks alone.

Python's own audit events tell of each address, each name and each child before it is asked or started, in the
fixtures of a session and in its threads too; pytest-socket sees `connect` alone, within a test alone. What C code
asks without telling is a number, never a name: libpq and gRPC let Python resolve, or go by the proxy.
A child goes by a proxy that is closed: whatever honours HTTPS_PROXY, as each AWS SDK does, is refused.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import httpx

PROXY = "http://127.0.0.1:9"
"""Nobody listens there: discard is a service that no machine offers any more."""
NETWORKS = [
    ip_network(text)
    for text in (
        *("127.0.0.0/8", "::1/128", "10.213.0.0/16", "10.214.0.0/16", "10.215.0.0/16", "10.216.0.0/16"),
        "172.16.0.0/12",
    )
]
"""This machine, the clones' three networks (offline/machine.py), what the Docker stand-in's tests make, and where
Docker puts a container of a test that names no network."""
ADDRESSES = [
    *("localhost", "127.0.0.1", "::1"),
    *(str(network) for network in NETWORKS if network.version == 4),
    *(f"10.213.{slot}.1" for slot in range(256)),
]
"""Whom a child asks without the proxy. Python's urllib knows no networks: the emulators' addresses are listed."""
ENVIRONMENT = {
    name: value
    for upper, value in (("HTTP_PROXY", PROXY), ("HTTPS_PROXY", PROXY), ("NO_PROXY", ",".join(ADDRESSES)))
    for name in (upper, upper.lower())
} | {
    "NODE_USE_ENV_PROXY": "1",
    "AWS_ENDPOINT_URL": PROXY,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
"""What each child has in its environment: what starts one with an environment of its own puts it there."""

_BEFORE = "WEB_NEXT_TESTS_BEFORE"
"""Has what the run was given in the place of ENVIRONMENT: a worker is started with the closed one."""
_open = False


class OutsideError(RuntimeError):
    """A test asks, or starts what could ask, somebody outside this machine and its Docker networks."""


def close() -> None:
    """From now on this process asks nobody outside, and starts nothing that could. There is no way back but
    `installing`."""
    os.environ.setdefault(_BEFORE, json.dumps({name: os.environ.get(name) for name in ENVIRONMENT}))
    os.environ.update(ENVIRONMENT)
    # This process is looked at itself, and asks containers: httpx knows no networks of NO_PROXY.
    httpx._utils.getproxies = dict  # type: ignore[attr-defined]
    sys.addaudithook(_look)


@contextmanager
def installing() -> Iterator[None]:
    """What a test installs comes from package registries: its children have the proxies that the run was given. Where
    no fence is closed, as in a bench, they have them anyway."""
    global _open
    if _BEFORE not in os.environ:
        yield
        return
    closed = {name: os.environ.get(name) for name in ENVIRONMENT}
    _put(json.loads(os.environ[_BEFORE]))
    _open = True
    try:
        yield
    finally:
        _open = False
        _put(closed)  # as a test may have it for itself, which ENVIRONMENT need not be


def _put(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _LOOKS:
        _LOOKS[event](*arguments)


def _address(_socket: object, address: object) -> None:
    if isinstance(address, tuple):  # of IP; a Unix socket's is a path
        _host(address[0])


def _host(host: str | bytes | None, *_: object) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name and name.endswith((".test", ".invalid")):  # nobody has these (RFC 6761): DNS would say so, and is not asked
        raise socket.gaierror(socket.EAI_NONAME, f"{name}: no such name")
    if name and name not in ADDRESSES and not _is_near(name):
        raise OutsideError(f"{name} is outside this machine and its Docker networks: tests ask nobody there")


def _is_near(name: str) -> bool:
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return any(address in network for network in NETWORKS)


def _child(program: object, _arguments: object, environment: Mapping[Any, Any] | None) -> None:
    given = os.environ if environment is None else environment
    if not _open and given.get("HTTPS_PROXY") != PROXY:
        raise OutsideError(f"{program} is started without the closed proxy: give it what is in fence.ENVIRONMENT")


_LOOKS: dict[str, Callable[..., None]] = {
    "socket.connect": _address,
    "socket.sendto": _address,
    "socket.sendmsg": _address,
    "socket.getaddrinfo": _host,
    "socket.gethostbyname": _host,
    "subprocess.Popen": lambda program, arguments, _folder, environment: _child(program, arguments, environment),
    "os.posix_spawn": _child,
    "os.exec": _child,
}
