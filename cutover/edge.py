"""Where the edge is reached: at its own address where it has one, always under the console's name."""

from __future__ import annotations

import socket
import ssl
from http.client import HTTPS_PORT
from urllib.parse import urlsplit

from outputs.smoke import EdgeSummary


def trust_of(edge: EdgeSummary) -> ssl.SSLContext:
    """Believes the edge's authority, a public one where it has none. Raises OSError without the authority's file."""
    return ssl.create_default_context(cafile=edge.authority)


def connected(edge: EdgeSummary, seconds: float) -> ssl.SSLSocket:
    """A connection on which the edge has shown a certificate for the console's name; to open it and each wait on it may
    take `seconds`. Raises OSError."""
    url = urlsplit(edge.url)
    name, port = url.hostname or "", url.port or HTTPS_PORT
    plain = socket.create_connection((edge.address or name, port), seconds)
    try:
        return trust_of(edge).wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def resolver_rules(edge: EdgeSummary) -> list[str]:
    """The arguments by which Chromium connects to the edge's address; none where the name leads there."""
    return [f"--host-resolver-rules=MAP {urlsplit(edge.url).hostname} {edge.address}"] if edge.address else []
