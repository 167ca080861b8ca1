"""The Postgres server behind a provider, and how its master works on it without being a superuser.

The master is what RDS gives: CREATEROLE CREATEDB, no superuser. So it grants itself a role for as long as it
acts in that role's name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from offline.standins.kind import StandinError
from offline.standins.local import local_address


class Server:
    """The Postgres server behind a provider; only one on this machine is accepted."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.host = variables.get("host", "")
        local = self.host.startswith("/")
        self._given: dict[str, Any] = {
            "host": self.host,
            "hostaddr": None if local else local_address(self.host, "postgresql provider: host"),
            "port": int(variables.get("port") or 5432),
            "user": variables.get("username", "postgres"),
            "password": variables.get("password"),
            "sslmode": variables.get("sslmode") or variables.get("sslMode") or "prefer",
            "sslrootcert": variables.get("sslrootcert"),
            "connect_timeout": min(int(variables.get("connectTimeout") or 10), 10),
            "client_encoding": "utf8",
            "application_name": "pulumi",
        }
        self.user = str(self._given["user"])
        self.database = variables.get("database") or "postgres"
        self.lock = threading.Lock()  # concurrent grants on one object collide

    @contextmanager
    def session(self, database: str = "") -> Iterator[Session]:
        """Connects, one session at a time, in autocommit mode; errors are told without the SQL."""
        import psycopg

        given = {key: value for key, value in self._given.items() if value is not None}
        try:
            with (
                self.lock,
                psycopg.connect(**given, dbname=database or self.database, autocommit=True) as connection,
            ):
                yield Session(connection, self.user)
        except psycopg.Error as error:
            text = error.diag.message_primary or str(error).strip().splitlines()[0]
            raise StandinError(f"postgres {self.host}/{database or self.database}: {text}") from None


class Session:
    """A connection and the few things done with it."""

    def __init__(self, connection: Any, user: str) -> None:
        self._connection, self.user = connection, user

    def run(self, statement: str, *names: str, **literals: Any) -> None:
        """Runs a statement whose `{}` are identifiers and whose `{name}` are literals."""
        from psycopg import sql

        identifiers = [sql.Identifier(name) for name in names]
        values = {name: sql.Literal(value) for name, value in literals.items()}
        self._connection.execute(sql.SQL(statement).format(*identifiers, **values))

    def row(self, query: str, *values: Any) -> Any:
        """Returns the first row, or None."""
        return self._connection.execute(query, values).fetchone()

    def rows(self, query: str, values: Any) -> list[Any]:
        """Returns all rows."""
        return list(self._connection.execute(query, values).fetchall())

    def transaction(self) -> Any:
        """What is done within happens whole or not at all."""
        return self._connection.transaction()

    def standing(self, role: str) -> tuple[bool, bool]:
        """Returns whether the master already acts as the role, and whether it may make itself a member of it."""
        query = (
            "SELECT rolsuper OR pg_has_role(current_user, %(role)s, 'USAGE') "
            "AND pg_has_role(current_user, %(role)s, 'SET'), "
            "pg_has_role(current_user, %(role)s, 'MEMBER WITH ADMIN OPTION') "
            "FROM pg_roles WHERE rolname = current_user"
        )
        acts, may = self.rows(query, {"role": role})[0]
        return bool(acts), bool(may)

    @contextmanager
    def acting_as(self, role: str) -> Iterator[None]:
        """Makes the master a member of the role for a while, if it isn't one already and may become one.

        Where it may not, as with what the server's superuser owns, its own rights have to do.
        """
        if role == "pg_database_owner":  # owns the schema public and can have no members of its own
            role = self.row("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")[0]
        acts, may = self.standing(role)
        if acts or not may:
            yield
            return
        self.run("GRANT {} TO {}", role, self.user)
        try:
            yield
        finally:
            self.run("REVOKE {} FROM {}", role, self.user)
