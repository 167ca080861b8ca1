"""A system of its own for an hour, SOAK_SECONDS with another length: everything is asked of it at once while what it
stands on comes and goes, and in the end the ledger is held against what there is."""

from __future__ import annotations

import hashlib
import os
import re
import ssl
import statistics
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import httpx
import psycopg
import pytest
import redis

from tests.support.answering import Sink, sink
from tests.support.containers import wait_until
from tests.support.faults import hanging, paused, stopped
from tests.support.ledger import SOON, Found, Ledger, Weather
from tests.support.postgres import Server, only_reading
from tests.support.resources import Resources, watched
from tests.support.soak_traffic import Traffic, going_on
from tests.support.system import System, new_system, wait_for
from webnext.alerts.consumer import CONCURRENCY
from webnext.audit.spool import PREFIX as SPOOL

SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))
FAULT_SECONDS, QUIET_SECONDS = 6.0, 24.0
PACE = 1.0
"""Seconds that the receiver needs for an alert."""
EMPTIED_SECONDS = 10.0
"""The suite's rate check leaves the edge's bucket of this address full: a burst of 10, at 60 a minute."""
SETTLE_SECONDS = 180.0
"""For alerts above all, which go out one a second."""

pytestmark = [pytest.mark.e2e, pytest.mark.soak, pytest.mark.timeout(SECONDS + 1800)]


@dataclass
class Ground:
    """A system that is up, and whoever hears its alerts, with room for one a second."""

    system: System
    receiver: Sink
    bucket: str

    @contextmanager
    def reads_only(self) -> Iterator[None]:
        """Redis is a replica for the block, and cuts nobody off."""
        url = self.system.secret("REDIS_URL")
        with redis.Redis.from_url(url, ssl_cert_reqs="none", ssl_check_hostname=False) as client:
            client.execute_command("REPLICAOF", "127.0.0.1", "1")
            yield
            client.execute_command("REPLICAOF", "NO", "ONE")

    @contextmanager
    def moves(self) -> Iterator[None]:
        """No session of Postgres may write for the block, and those that it made before may not afterwards."""
        server = Server(container=str(self.system.container("audit").id), host="")
        address = psycopg.conninfo.conninfo_to_dict(self.system.secret("AUDIT_DB_URL"))
        with only_reading(server, str(address["dbname"])) as let_write:
            yield
            let_write()
            time.sleep(SOON)

    @contextmanager
    def refuses(self) -> Iterator[None]:
        """The receiver fails for the block, and until an alert more has been tried three times."""
        before = len(self.dead())
        self.receiver.status, self.receiver.pace = 500, 0.0
        yield
        wait_until(lambda: len(self.dead()) > before, "a dead letter", 90)
        self.receiver.status, self.receiver.pace = 200, PACE

    @contextmanager
    def both_away(self) -> Iterator[None]:
        with stopped(self.system.container("executor")), stopped(self.system.container("audit")):
            yield

    def faults(self) -> dict[str, Callable[[], AbstractContextManager[None]]]:
        container = self.system.container
        return {
            "Redis hangs": lambda: paused(container("queues")),
            "Postgres dies": lambda: stopped(container("audit")),
            "Redis fails over": self.reads_only,
            "the receiver fails": self.refuses,
            "Postgres fails over": self.moves,
            "Redis dies": lambda: stopped(container("queues")),
            "the executor hangs": lambda: paused(container("executor")),
            "Postgres hangs": lambda: paused(container("audit")),
            "S3, vault and flags hang": lambda: hanging(self.system.emulator),
            "Postgres and the executor die": self.both_away,
        }

    def rows(self, run: str) -> Counter[str]:
        """How often each entry is there, by its trace id; one that its key does not lead to counts twice."""
        with self.system.connect("AUDIT_DB_READER_URL") as reader:
            found = reader.execute(
                "SELECT trace_id, count(*) + count(*) - count(key) FROM audit_log LEFT JOIN audit_idempotency "
                "ON (key, entry_id, entry_ts) = (trace_id, id, ts) WHERE trace_id LIKE %s GROUP BY 1",
                (f"{run}-%",),
            ).fetchall()
        return Counter({str(trace): int(count) for trace, count in found})

    def unflushed(self, ledger: Ledger) -> dict[str, Any]:
        """What fallbacks still hold, and what is not well."""
        with self.system.connect("AUDIT_DB_READER_URL") as reader:
            outbox = reader.execute("SELECT count(*) FROM alert_outbox WHERE outcome IS NULL").fetchone()
        spooled = self.system.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=SPOOL).get("KeyCount", 0)
        checks = httpx.get(f"{self.system.app}/api/healthz", timeout=10, trust_env=False).json()["checks"]
        found = {
            "entries": len(ledger.entries.keys() - self.rows(ledger.run).keys()),
            "alerts": outbox[0] if outbox else None,
            "spooled": spooled,
            "checks": [name for name, check in checks.items() if not check["ok"]],
        }
        return {name: left for name, left in found.items() if left}

    def dead(self) -> set[str]:
        """The ids of the dead letters, as people are shown them. Those that come meanwhile move the others to the back:
        some are met twice, none is missed."""
        ids: set[str] = set()
        offset = 0
        with httpx.Client(base_url=self.system.app, timeout=10, trust_env=False) as http:
            while items := http.get("/api/alerts/dlq", params={"limit": 100, "offset": offset}).json()["items"]:
                ids |= {str(item["id"]) for item in items}
                offset += len(items)
        return ids

    def found(self, ledger: Ledger) -> Found:
        """What there is now."""
        s3, digests = self.system.client("s3"), {}
        for key, sha in ledger.evidence.items():
            if sha:
                body = s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
                digests[key] = hashlib.sha256(body).hexdigest()
        title = re.compile(rf"{ledger.run}-alert-\d+")
        arrived: Counter[str] = Counter()
        for text, count in self.receiver.accepted.items():
            if named := title.search(text):
                arrived[named[0]] += count
        return Found(rows=self.rows(ledger.run), delivered=arrived, dead=self.dead(), evidence=digests)


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with new_system() as system, sink(system.machine.gateway) as receiver:
        system.up()
        secret = f"web-next-{system.stack}/SLACK_WEBHOOK_URL"
        system.vault().put_secret_value(SecretId=secret, SecretString=receiver.url)
        system.container("worker").restart()  # which would find the receiver within a minute
        receiver.pace = PACE
        wait_for(system.well)
        time.sleep(EMPTIED_SECONDS)
        yield Ground(system, receiver, str(system.outputs()["evidence_bucket"]))


def test_what_was_accepted_is_there_once_whatever_came_and_went(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    system, weather, ledger = ground.system, Weather(), Ledger(f"soak-{uuid.uuid4().hex[:8]}")
    trusted = ssl.create_default_context(cafile=str(system.folder / ".local" / "tls" / "ca.pem"))
    traffic = Traffic(system.app, f"https://localhost:{system.machine.edge_port}", trusted, ledger, weather)
    began, faults = time.monotonic(), cycle(ground.faults().items())
    with watched(system, min(5.0, SECONDS / 60)) as resources, going_on(traffic):
        time.sleep(min(QUIET_SECONDS, SECONDS / 4))
        while time.monotonic() < began + SECONDS - QUIET_SECONDS:
            name, fault = next(faults)
            with weather.of(name), fault():
                time.sleep(FAULT_SECONDS)
            time.sleep(QUIET_SECONDS)
    try:
        wait_until(lambda: not ground.unflushed(ledger), "what fallbacks hold", SETTLE_SECONDS + SECONDS / 10)
    finally:
        left, found = ground.unflushed(ledger), ground.found(ledger)
        with capsys.disabled():
            print(*told(ledger, found, weather, resources, traffic, ground.receiver.refused, left), sep="\n")
    assert ledger.differences(found) == []
    assert ledger.unexpected() == {}
    assert resources.problems() == []
    of_redis = sum(count for name, count in weather.seen.items() if "Redis" in name)
    assert found.again <= CONCURRENCY * of_redis, "more than a worker had in its hands when Redis went"

    httpx.post(f"{system.app}/api/alerts/queue", json={"action": "retry_all", "by": "soak"}, trust_env=False)
    wait_until(lambda: not ground.unflushed(ledger), "the letters put back", SETTLE_SECONDS + 2 * len(found.dead))
    assert ledger.differences(ground.found(ledger)) == []
    assert ground.dead() == set(), "put back, each was delivered"


def told(
    ledger: Ledger,
    found: Found,
    weather: Weather,
    resources: Resources,
    traffic: Traffic,
    held: int,
    left: dict[str, Any],
) -> list[str]:
    """The table at the end."""
    by, moments = Counter(ledger.entries.values()), Counter[str]()
    for (_, what, moment), count in ledger.answers.items():
        moments[f"{moment}: {what}"] += count
    kept = Counter(bool(sha) for sha in ledger.evidence.values())
    p95 = statistics.quantiles(traffic.latency, n=20)[-1] if len(traffic.latency) > 1 else 0.0
    differences = ledger.differences(found)
    return [
        "",
        f"{SECONDS:.0f} s, {sum(weather.seen.values())} faults: {dict(weather.seen)}",
        f"  entries   accepted {len(ledger.entries)} of {len(ledger.sent)} {dict(by)}, there once "
        f"{sum(found.rows[key] == 1 for key in ledger.entries)}; quiet pushes: P95 {1000 * p95:.0f} ms",
        f"  alerts    accepted {len(ledger.alerts)}, delivered {len(found.delivered)}, dead letters {len(found.dead)}, "
        f"delivered again {found.again}, held {held}",
        f"  evidence  archived in S3 {kept[True]}, by the executor {kept[False]}",
        *(f"  answers   {count:8} {what}" for what, count in sorted(moments.items())),
        f"  unflushed {left or 'nothing'}; differences {len(differences)}",
        *(f"    {line}" for line in differences[:20]),
        *(f"  {line}" for line in resources.table()),
    ]
