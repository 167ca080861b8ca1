"""The restore drill on a system that runs: a true copy is the same, and each way of not being one is named."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import docker
import pytest

from cutover.drill.backup import Backup, Say
from cutover.drill.restore import backup_of, drill
from cutover.schema.access import AuditDatabase
from cutover.schema.migrator import load
from tests.support.containers import docker as run
from tests.support.system import Done, System

pytestmark = pytest.mark.e2e

LOST = "ALTER TABLE audit_log DISABLE TRIGGER USER; DELETE FROM audit_log WHERE id = (SELECT min(id) FROM audit_log)"
ALTERED = "ALTER TABLE audit_log DISABLE TRIGGER USER; UPDATE audit_log SET action = action || '.' WHERE id % 2 = 0"
INDEX = "DROP INDEX idx_audit_trace"


class Broken:
    """Backups whose copy has gone through a statement."""

    def __init__(self, system: System, backup: Backup, sql: str) -> None:
        self._system, self._backup, self._sql = system, backup, sql

    @contextmanager
    def restored(self, after: datetime, /, say: Say) -> Iterator[str]:
        with self._backup.restored(after, say) as endpoint:
            (copy,) = copies(self._system)
            psql = ["psql", "--quiet", "--host=/run/postgresql", "--username=rdsadmin", "--dbname=audit"]
            run("exec", "--user=root", copy, *psql, "--set=ON_ERROR_STOP=1", f"--command={self._sql}")
            yield endpoint


class Same:
    """What answers where the copy should is the server itself, as through a tunnel that somebody has left open."""

    def __init__(self, access: AuditDatabase) -> None:
        self._access = access

    @contextmanager
    def restored(self, _after: datetime, /, say: Say) -> Iterator[str]:
        yield self._access.endpoint


def copies(system: System) -> list[str]:
    labels = ["web-next.drill", f"web-next.clone={system.machine.clone}"]
    with closing(docker.from_env()) as client:
        return [each.id for each in client.containers.list(all=True, filters={"label": labels})]


@pytest.fixture(scope="module")
def access(standing: System) -> AuditDatabase:
    return AuditDatabase.from_output(standing.outputs()["audit_db_access"])


@pytest.fixture(autouse=True)
def _signing(standing: System) -> Iterator[None]:
    with standing.signing():
        yield


def command(system: System, *words: str) -> Done:
    return system.run(sys.executable, "-m", "cutover", "drill", "restore", "-s", system.stack, *words)


def test_a_backup_becomes_a_server_with_the_same_entries_and_schema_and_is_gone_after_it(standing: System) -> None:
    text = command(standing, "--json").text
    done = json.loads(text[text.index("{") :])

    assert done["differences"] == []
    assert done["rows"] > 0
    assert done["schema_version"] == load(Path("migrations"))[-1].version
    assert copies(standing) == []


@pytest.mark.parametrize(
    ("sql", "says"),
    [(LOST, "were backed up"), (ALTERED, "have another content"), (INDEX, "idx_audit_trace")],
    ids=["a lost entry", "altered entries", "a lost index"],
)
def test_a_copy_that_is_not_the_same_is_named(standing: System, access: AuditDatabase, sql: str, says: str) -> None:
    done = drill(access, Broken(standing, backup_of(access), sql), Path("migrations"), print)

    assert any(says in each for each in done.differences), done.differences
    assert copies(standing) == []


def test_the_server_itself_is_not_taken_for_its_copy(access: AuditDatabase) -> None:
    done = drill(access, Same(access), Path("migrations"), print)

    assert ["it is not the copy" in each for each in done.differences] == [True]


def test_what_a_killed_drill_left_is_removed_by_the_next(standing: System, access: AuditDatabase) -> None:
    left = backup_of(access).restored(datetime.now().astimezone(), print)
    left.__enter__()
    assert len(copies(standing)) == 1

    command(standing)

    assert copies(standing) == []
    with pytest.raises(Exception, match="No such container"):
        left.__exit__(None, None, None)
