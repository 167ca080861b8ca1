"""Questions to the Prometheus of a docker stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx

from cutover.smoke.probe import CheckFailedError

SECONDS = 5


@dataclass(frozen=True)
class Prometheus:
    """One server, asked by one client."""

    http: httpx.Client

    @classmethod
    @contextmanager
    def at(cls, url: str) -> Iterator[Self]:
        """The server at an address, for the block."""
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http:
            yield cls(http)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that answer an instant query. Raises CheckFailedError where it is refused or nothing answers."""
        try:
            document = self.http.get("/api/v1/query", params={"query": expression}).json()
        except (httpx.HTTPError, ValueError) as error:
            raise CheckFailedError(
                f"Prometheus at {self.http.base_url} does not answer ({type(error).__name__}: {error})"
            ) from None
        if document.get("status") != "success":
            raise CheckFailedError(f"Prometheus refuses {expression!r}: {document.get('error')}")
        return list(document["data"]["result"])
