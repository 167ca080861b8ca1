"""An HTTP client of the edge, at its address and under the console's name."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from cutover.bounded import Bounded
from outputs.smoke import EdgeSummary


def edge_client(
    edge: EdgeSummary, seconds: float, *, transport: httpx.BaseTransport | None = None, **options: Any
) -> httpx.Client:
    """A client whose paths are the edge's and whose answers end after `seconds`, with further `options` of httpx;
    through `transport` where one is given.

    Raises OSError where the authority's certificate is not there.
    """
    trust = ssl.create_default_context(cafile=edge.authority)
    if transport is None:
        transport = AtAddress(edge.address, verify=trust, trust_env=False)
    bounded = Bounded(transport, seconds)
    return httpx.Client(base_url=edge.url, timeout=seconds, trust_env=False, transport=bounded, **options)


class AtAddress(httpx.HTTPTransport):
    """Connects to `address`, where there is one; the name in TLS and the Host header stay those of the request."""

    def __init__(self, address: str | None, **options: Any) -> None:
        super().__init__(**options)
        self._address = address

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._address is None:
            return super().handle_request(request)
        return super().handle_request(
            httpx.Request(
                request.method,
                request.url.copy_with(host=self._address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": request.url.host},
            )
        )
