"""The committed migrations applied to a database, and the statements of the release before 003."""

from __future__ import annotations

from pathlib import Path

from psycopg import sql

from cutover.schema import migrator
from tests.support.postgres import Database

MIGRATIONS = Path(__file__).parents[2] / "migrations"
# The statements of the release before 003, word for word: files only expand.
INSERT = sql.SQL(
    "INSERT INTO audit_log (action, result, strategy_id, trace_id, details) "
    "VALUES (%s, %s, %s, %s, %s::jsonb) RETURNING id"
)
NEWEST = sql.SQL(
    "SELECT id, ts, action, result, strategy_id, trace_id, details FROM audit_log ORDER BY ts DESC, id DESC LIMIT %s"
)
ENTRY = ("login", "ok", None, "trace-1", '{"a": 1}')


def migrate(database: Database) -> None:
    with migrator.connect(database.owner_url) as connection:
        migrator.apply(connection, migrator.load(MIGRATIONS))


def differences(database: Database) -> list[str]:
    with migrator.connect(database.owner_url) as connection:
        return migrator.verify(connection, MIGRATIONS)
