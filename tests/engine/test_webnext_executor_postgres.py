"""The executor double's journal on its way into a real Postgres, through kills and outages on both sides."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.schema import migrator
from tests.support.containers import docker, pause, wait_until
from tests.support.executor import APP, Process, Pushes, journal
from tests.support.postgres import OWNER, WRITER, Database

pytestmark = pytest.mark.engine

MIGRATIONS = Path(__file__).parents[2] / "migrations"
# As the executor's process puts it together, with a file in the vault's place.
_DOUBLE = """
import sys
from pathlib import Path
from webnext import logs
from webnext.double.app import create_double
from webnext.postgres import Postgres
from webnext.server import serve
from webnext.settings import Settings
from webnext.vault import Vault

class File:
    def get_secret_value(self, *, SecretId):
        return {"SecretString": Path(sys.argv[3]).read_text()}

logs.configure()
postgres = Postgres(Vault("web-next-test/", File))
serve(create_double(Settings(), Path(sys.argv[2]), postgres), int(sys.argv[1]))
"""


@pytest.fixture
def double(database: Database, tmp_path: Path) -> Iterator[Process]:
    with migrator.connect(database.owner_url) as connection:
        migrator.apply(connection, migrator.load(MIGRATIONS))
    secret = tmp_path / "url"
    secret.write_text(database.server.url(WRITER, database.name))
    process = Process(_DOUBLE, tmp_path, (str(tmp_path / "data"), str(secret)))
    try:
        process.start()
        yield process
    finally:
        process.kill()


def kept(database: Database) -> list[str]:
    """The key inside every row of the audit log."""
    with database.connect(OWNER) as connection:
        return [key for (key,) in connection.execute("SELECT details ->> 'key' FROM audit_log")]


def test_what_a_mocked_web_next_took_outlives_it_and_is_brought_into_postgres_once(
    double: Process, database: Database
) -> None:
    def started() -> Process:
        made = Process(APP, double.folder, environment={"NEXT_PUBLIC_EXECUTOR_URL": double.url})
        made.start()
        return made

    first = started()
    pause(database.server.container)
    answers = [
        first.post("/api/audit/push", {"action": "rolled-back", "result": "ok", "details": {"key": str(number)}})
        for number in range(20)
    ]
    first.kill()
    second = started()
    listed = second.post("/api/audit/list", {"limit": 500})
    docker("unpause", database.server.container)
    wait_until(lambda: len(kept(database)) == 20, "the entries in Postgres")
    double.kill()
    alone = second.post("/api/audit/push", {"action": "alone", "result": "ok"})
    second.kill()

    assert {(answer["_mock"], answer["via"]) for answer in answers} == {(True, "executor")}
    assert listed["_mock"] is True
    assert [item["id"] for item in listed["items"]] == [answer["id"] for answer in reversed(answers)]
    assert sorted(kept(database), key=int) == [str(number) for number in range(20)]
    assert (alone["_mock"], alone["via"]) == (True, "mock")


def test_what_the_double_accepted_is_in_postgres_once_whatever_was_killed(double: Process, database: Database) -> None:
    async def run() -> Pushes:
        async with Pushes.on(double.url) as pushes:
            for _ in range(2):
                await asyncio.sleep(1)
                await asyncio.to_thread(pause, database.server.container)
                await asyncio.sleep(4)
                await asyncio.to_thread(docker, "unpause", database.server.container)
                await asyncio.sleep(1)
                await asyncio.to_thread(double.kill)
                await asyncio.to_thread(double.start)
        return pushes

    pushes = asyncio.run(run())
    wait_until(lambda: {state for _, state in journal(double)} == {"forwarded"}, "an empty journal", 120)

    counted = Counter(kept(database))
    assert len(pushes.accepted) > 20, "the load was on"
    assert set(counted.values()) == {1}
    assert pushes.accepted <= counted.keys() == {key for key, _ in journal(double)} <= pushes.tried
