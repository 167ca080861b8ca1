"""Where the edge is reached: at its own address where it has one, always under the console's name."""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPS_PORT
from urllib.parse import urlsplit

from outputs.smoke import EdgeSummary


def connected(url: str, address: str | None, authority: str | None, seconds: float) -> ssl.SSLSocket:
    """A connection on which the edge has shown a certificate for the name of `url`, signed by `authority`, a file, or
    by a public one; to open it and each wait on it may take `seconds`. Raises OSError."""
    asked = urlsplit(url)
    name, port = asked.hostname or "", asked.port or HTTPS_PORT
    trust = ssl.create_default_context(cafile=authority)
    plain = socket.create_connection((address or name, port), seconds)
    try:
        return trust.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def resolver_rules(edge: EdgeSummary) -> list[str]:
    """The arguments by which Chromium connects to the edge's address; none where the name leads there."""
    return [f"--host-resolver-rules=MAP {urlsplit(edge.url).hostname} {edge.address}"] if edge.address else []
