"""What a hosted zone of Route 53 says of one name, changed whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cutover.errors import CutoverError, RefusedError, UnreachableError

LEADING = ("A", "AAAA", "CNAME")
"""The types that decide where a name leads."""
SECONDS = 120.0
"""How long Route 53's own servers may take to agree; they usually do within 60 s, by its documentation."""

RecordSet = dict[str, Any]
"""A resource record set in Route 53's own form, which a deletion must repeat exactly."""


@dataclass(frozen=True)
class Zone:
    """The hosted zone `id` and the name `domain` in it, through a client of Route 53.

    Every call raises UnreachableError when nobody answers, CutoverError when it is refused.
    """

    id: str
    domain: str
    client: Any = field(repr=False)
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def records(self) -> list[RecordSet]:
        """The record sets that decide where the name leads. Raises RefusedError where a routing policy chooses among
        several: which of them is meant is not cutover's to say."""
        with self._said():
            pages = self.client.get_paginator("list_resource_record_sets").paginate(
                HostedZoneId=self.id, StartRecordName=self.domain
            )
            found = list(self._own(pages))
        if several := next((each for each in found if "SetIdentifier" in each), None):
            raise RefusedError(
                f"{self.domain} has several records {several['Type']}, among which a routing policy chooses: move them "
                "where they were made"
            )
        return found

    def replace(self, gone: Sequence[RecordSet], come: Sequence[RecordSet]) -> str:
        """Takes these away and puts those there, in one change; returns its id. Raises RefusedError where what is to go
        is not there as it was read."""
        changes = [{"Action": "DELETE", "ResourceRecordSet": each} for each in gone]
        changes += [{"Action": "CREATE", "ResourceRecordSet": each} for each in come]
        with self._said():
            try:
                answer = self.client.change_resource_record_sets(
                    HostedZoneId=self.id, ChangeBatch={"Comment": "cutover dns", "Changes": changes}
                )
            except self.client.exceptions.InvalidChangeBatch as error:
                raise RefusedError(
                    f"Route 53 refuses the change of {self.domain} ({error.response['Error']['Message']}): look again, "
                    "somebody may have changed it meanwhile"
                ) from None
        return str(answer["ChangeInfo"]["Id"])

    def settle(self, change: str) -> bool:
        """Waits until all of Route 53's servers answer the change; False where they do not within 120 s."""
        until = self.now() + SECONDS
        while True:
            with self._said():
                if self.client.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC":
                    return True
            if self.now() > until:
                return False
            self.sleep(2)

    def _own(self, pages: Any) -> Iterator[RecordSet]:
        for page in pages:
            for each in page["ResourceRecordSets"]:
                if each["Name"].rstrip(".") != self.domain:
                    return
                if each["Type"] in LEADING:
                    yield each

    @contextmanager
    def _said(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            raise CutoverError(f"Route 53 refuses zone {self.id}: {error}") from None
        except BotoCoreError as error:
            raise UnreachableError(f"Route 53 does not answer ({error}); nothing is known to have changed") from None
