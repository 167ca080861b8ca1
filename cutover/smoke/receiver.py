"""The receiver of a local stack's alerts: what arrived there, and what it is told to refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx

from cutover import aws
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.smoke import Places

SECONDS = 5
WAIT_SECONDS = 10
"""For each of the steps that the worker makes."""
EVERY_SECONDS = 0.1


def in_use(places: Places) -> str | None:
    """The receiver's address where the stack's alerts go there; None where there is none, or somebody put another
    address into the vault. Raises CheckFailedError where the vault cannot be read."""
    from botocore.exceptions import BotoCoreError, ClientError

    if places.receiver is None:
        return None
    entry = f"web-next-{places.environment}/SLACK_WEBHOOK_URL"
    try:
        value = aws.client("secretsmanager", places).get_secret_value(SecretId=entry)
    except (BotoCoreError, ClientError) as error:
        raise CheckFailedError(
            f"{entry}, which says where alerts go, cannot be read from the vault ({error})"
        ) from None
    return places.receiver if value.get("SecretString", "").startswith(f"{places.receiver}/") else None


@dataclass(frozen=True)
class Receiver:
    """The receiver, for the alerts of one trace id."""

    http: httpx.Client
    trace: str

    @classmethod
    @contextmanager
    def at(cls, url: str, trace: str) -> Iterator[Self]:
        """The receiver at an address, for the block."""
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http:
            yield cls(http, trace)

    def refuse(self, times: int) -> None:
        """Has the next so many deliveries refused."""
        self._ask("POST", "/alerts/refuse", json={"traceId": self.trace, "times": times})

    def until(self, probe: Probe, wanted: Callable[[int, int], bool], what: str) -> None:
        """Waits until the deliveries that were taken and those that were refused are as wanted.

        Raises CheckFailedError, which says `what` did not happen, after WAIT_SECONDS.
        """
        began = probe.clock()
        while True:
            seen = self._ask("GET", "/alerts/received", params={"traceId": self.trace})["items"]
            taken = sum(message["taken"] for message in seen)
            refused = len(seen) - taken
            if wanted(taken, refused):
                return
            if probe.clock() - began > WAIT_SECONDS:
                raise CheckFailedError(
                    f"{what} within {WAIT_SECONDS} s: {self.http.base_url} refused {refused} and took {taken}"
                )
            probe.sleep(EVERY_SECONDS)

    def _ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        try:
            return dict(self.http.request(method, path, **given).raise_for_status().json())
        except (httpx.HTTPError, ValueError) as error:
            raise CheckFailedError(
                f"the receiver at {self.http.base_url} does not answer ({type(error).__name__}: {error})"
            ) from None
