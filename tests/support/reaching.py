"""What is reached from inside of a container: listeners on every address of this machine, and the next hop."""

from __future__ import annotations

import json
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

from offline.emulator.admission import own_addresses
from tests.support.containers import docker

TRY = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def reached(place):
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 4).close()
    except OSError:
        return False
    return True

with ThreadPoolExecutor(64) as pool:
    found = [place for place, was in zip(sys.argv[1:], pool.map(reached, sys.argv[1:])) if was]
lines = [line.split() for line in open("/proc/net/route")][1:]
hops = [socket.inet_ntoa(int(line[2], 16).to_bytes(4, "little")) for line in lines if line[1] == "00000000"]
known = [line.split() for line in open("/proc/net/arp")][1:]
print(json.dumps([found, any(line[0] in hops and line[3] != "00:00:00:00:00:00" for line in known)]))
"""


@contextmanager
def listening() -> Iterator[dict[str, int]]:
    """Listens on each address that this machine has but loopback: the port of each."""
    with ExitStack() as open_ones:
        listeners = {}
        for address in own_addresses():
            if not address.startswith("127."):
                with suppress(OSError):  # of a network that somebody has just removed
                    listener = open_ones.enter_context(socket.create_server((address, 0)))
                    listeners[address] = listener.getsockname()[1]
        yield listeners


def attempts(container: str, listeners: Mapping[str, int], more: Collection[str] = ()) -> tuple[set[str], bool]:
    """Which addresses of the listeners, and which host:port of `more`, a process in the container connects to, and
    whether somebody answers at the address by which it would leave its network."""
    places = [*(f"{address}:{port}" for address, port in listeners.items()), *more, "198.51.100.1:80"]
    found, gateway = json.loads(docker("exec", container, "python3", "-c", TRY, *places))
    return {place if place in more else place.partition(":")[0] for place in found}, gateway
