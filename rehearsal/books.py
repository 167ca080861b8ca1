"""The books: what was accepted, held against what the database, the buckets and the channel have."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import httpx
import psycopg

from cutover import aws
from cutover.schema.access import AuditDatabase
from outputs.smoke import Places
from rehearsal.load import ALERT, AUDIT, Asked

EVERY_SECONDS = 0.5
"""Between two looks at the channel: the double keeps the newest 200 messages alone."""
SETTLE_SECONDS = 45
"""For what was accepted by way of a fallback to reach the database, and for alerts to be delivered."""


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """How many rows the audit log has, and the keys of the evidence bucket."""

    rows: int
    objects: frozenset[str]

    def kept(self, before: Holdings) -> bool:
        """Whether nothing of what was there before is gone."""
        return self.rows >= before.rows and self.objects >= before.objects


@dataclass(frozen=True, kw_only=True)
class Balance:
    """How many entries and alerts were accepted, the traces of those that are nowhere, and of entries kept twice."""

    entries: int
    alerts: int
    lost: Sequence[str]
    doubled: Sequence[str]

    @property
    def held(self) -> bool:
        """Whether there were some of both, none is lost, and no entry is kept twice. An alert may come twice: whoever
        delivers it cannot know whether an answer that was cut off was a yes."""
        return bool(self.entries and self.alerts) and not self.lost and not self.doubled

    @property
    def line(self) -> str:
        """The sum, for people."""
        twice = f", {len(self.doubled)} entries kept twice" if self.doubled else ""
        return f"accepted {self.entries} audit entries and {self.alerts} alerts, lost {len(self.lost)}{twice}"


@dataclass
class Books:
    """Of the base whose data lies in `places`. `delivered` has the trace ids of the alerts that arrived."""

    places: Places
    delivered: set[str] = field(default_factory=set)

    def database(self) -> AbstractContextManager[psycopg.Connection]:
        """The audit database, for its reader."""
        return AuditDatabase.from_output(self.places.database.output()).open()

    def holdings(self) -> Holdings:
        """What is there now."""
        with self.database() as reader:
            row = reader.execute("SELECT count(*) FROM audit_log").fetchone()
        pages = aws.client("s3", self.places).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.places.evidence_bucket, Prefix="evidence/")
        keys = frozenset(each["Key"] for page in found for each in page.get("Contents", ()))
        return Holdings(rows=int(row[0]) if row else 0, objects=keys)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Notes what arrives in the channel while the block runs."""
        ended = threading.Event()
        follower = threading.Thread(target=self._follow, args=(ended,))
        follower.start()
        try:
            yield
        finally:
            ended.set()
            follower.join()

    def balance(self, requests: Sequence[Asked]) -> Balance:
        """What became of all that was accepted, once it has had SETTLE_SECONDS to arrive."""
        entries = {each.trace for each in requests if each.accepted and each.path == AUDIT}
        alerts = {each.trace for each in requests if each.accepted and each.path == ALERT}
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            counted = self._rows(entries)
            lost = sorted((entries - counted.keys()) | (alerts - self.delivered))
            if not lost or time.monotonic() > deadline:
                break
            time.sleep(EVERY_SECONDS)
        doubled = sorted(trace for trace, count in counted.items() if count > 1)
        return Balance(entries=len(entries), alerts=len(alerts), lost=lost, doubled=doubled)

    def _rows(self, traces: set[str]) -> dict[str, int]:
        with self.database() as reader:
            found = reader.execute(
                "SELECT trace_id, count(*) FROM audit_log WHERE trace_id = ANY(%s) AND action = 'rehearsal' GROUP BY 1",
                [list(traces)],
            ).fetchall()
        return {str(trace): int(count) for trace, count in found}

    def _follow(self, ended: threading.Event) -> None:
        with httpx.Client(base_url=self.places.receiver or "", timeout=5, trust_env=False) as http:
            while not ended.wait(EVERY_SECONDS):
                with contextlib.suppress(httpx.HTTPError):
                    items = http.get("/alerts/received").raise_for_status().json()["items"]
                    self.delivered |= {item["traceId"] for item in items if item["taken"]}
