"""The one rule of the stand-ins: they talk to this machine and to nothing else."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from urllib.parse import urlsplit

from offline.standins.kind import StandinError

WAY_OUT = "use the official provider for anything else (PROVIDERS=official)"


def local_address(host: str, what: str) -> str:
    """Returns the host's address if it is this machine's or a container's on one of its bridges.

    Names are refused except localhost, so that nothing is ever looked up. Raises StandinError.
    """
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        address = None
    if address is None or not (address.is_loopback or _is_bound_here(address) or _is_on_a_bridge(address)):
        raise StandinError(
            f"{what} is {host!r}; stand-ins accept only localhost and addresses of this machine "
            f"and its Docker networks: {WAY_OUT}"
        )
    return str(address)


def local_url(url: str, what: str) -> str:
    """Returns the URL if its host is this machine's. Raises StandinError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StandinError(f"{what} is {url!r}; it must be an http URL such as http://127.0.0.1:4566")
    local_address(parts.hostname, f"{what} {url!r}: its host")
    return url


def _is_bound_here(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if address.is_unspecified or address.is_multicast:
        return False
    with socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def _is_on_a_bridge(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    routes: Path = Path("/proc/net/route"),
    interfaces: Path = Path("/sys/class/net"),
) -> bool:
    """Whether the most specific route to the address has no gateway and leaves through a bridge."""
    best: tuple[int, str, int] | None = None
    for line in routes.read_text().splitlines()[1:]:
        columns = line.split()
        target, gateway, mask = (socket.ntohl(int(columns[i], 16)) for i in (1, 2, 7))
        if address.version == 4 and int(address) & mask == target and (best is None or mask > best[0]):
            best = (mask, columns[0], gateway)
    return best is not None and best[2] == 0 and (interfaces / best[1] / "bridge").is_dir()
