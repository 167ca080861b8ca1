"""What the figure of the spool counts; the replay itself is tested on S3 and Postgres."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any, cast

import pytest

from webnext import aws, metrics
from webnext.audit.replay import Replayer
from webnext.audit.row import Row
from webnext.audit.spool import BAD, Spool, Spooled
from webnext.audit.writer import Writer
from webnext.contract.audit import AuditEntryV1
from webnext.dependency import Dependency
from webnext.postgres import Postgres
from webnext.services import KeyReusedError

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Store:
    """An S3 client over a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def list_objects_v2(self, *, Prefix: str, Delimiter: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        below = [key for key in sorted(self.objects) if key.startswith(Prefix)]
        found = [key for key in below if not (Delimiter and Delimiter in key.removeprefix(Prefix))]
        return {"Contents": [{"Key": key, "LastModified": NOW} for key in found]}

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        return {"Body": BytesIO(self.objects[Key])}

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.objects[Key] = Body
        return {}

    def delete_object(self, *, Key: str, **_: Any) -> None:  # noqa: N803
        del self.objects[Key]


class Database:
    """Postgres and its writer at once: it has another entry under the key `taken`."""

    def __init__(self) -> None:
        self.dependency = Dependency("postgres", errors=(ConnectionError,), seconds=5)

    async def run(self, *_: Any) -> list[Any]:
        return []

    async def append(self, row: Row) -> None:
        if row.key == "taken":
            raise KeyReusedError("the idempotency key has already made another entry")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    credentials = SimpleNamespace(get_frozen_credentials=lambda: None)
    session = SimpleNamespace(client=lambda *_, **__: made, get_credentials=lambda: credentials)
    monkeypatch.setattr(aws, "session", lambda: session)
    return made


def test_an_accepted_entry_that_was_set_aside_is_counted_until_a_person_has_taken_it_away(store: Store) -> None:
    for key in ("taken", "free"):
        spooled = Spooled(key=key, acceptedAt=NOW, traceId=None, entry=AuditEntryV1(action="deploy", result="ok"))
        store.objects[spooled.name] = spooled.model_dump_json().encode()

    counted = asyncio.run(replayed(3, store))

    assert counted == [1, 1, 0]


async def replayed(times: int, store: Store) -> list[float]:
    """The figure after each replay; before the last a person takes away what was set aside."""
    database, spool, counted = Database(), Spool("bucket", "eu-central-1"), []
    replayer = Replayer(cast("Postgres", database), cast("Writer", database), spool)
    for left in reversed(range(times)):
        if not left:
            [aside] = store.objects
            assert aside.startswith(BAD)
            del store.objects[aside]
        await replayer.replay()
        counted.append(metrics.AUDIT_SPOOLED._value.get())
    spool.close()
    return counted
