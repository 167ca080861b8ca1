"""A throw-away Postgres: this project's image, a master as on RDS, TLS, and databases with the audit roles."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.built import images
from tests.support.containers import address, container, docker, wait_until

MASTER, OWNER, WRITER, READER = "master", "audit_owner", "audit_writer", "audit_reader"
PASSWORD = secrets.token_hex(12)
# What infra/audit_roles.py declares, as SQL.
_ROLES = f"""
CREATE ROLE audit_owner LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE audit_writer LOGIN PASSWORD '{PASSWORD}';
CREATE ROLE audit_reader LOGIN PASSWORD '{PASSWORD}';
GRANT audit_owner TO master"""
_CRON = """
GRANT USAGE ON SCHEMA cron TO audit_owner;
GRANT EXECUTE ON FUNCTION cron.schedule_in_database(text, text, text, text, text, boolean) TO audit_owner"""
_RIGHTS = """
ALTER DEFAULT PRIVILEGES FOR ROLE audit_owner IN SCHEMA public GRANT INSERT, SELECT ON TABLES TO audit_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE audit_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO audit_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE audit_owner IN SCHEMA public GRANT SELECT ON TABLES TO audit_reader"""


@dataclass(frozen=True, kw_only=True)
class Server:
    """The container and where it listens."""

    container: str
    host: str
    port: int = 5432

    def url(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{PASSWORD}@{self.host}:{self.port}/{database}?sslmode=require"

    def connect(self, role: str, database: str) -> psycopg.Connection:
        return psycopg.connect(self.url(role, database), autocommit=True, application_name="test")

    def answers(self) -> bool:
        with self.connect(MASTER, "postgres"):
            return True

    def superuser(self, database: str, statements: str) -> str:
        """Runs SQL as the server's internal superuser, who does not come by network; returns what psql prints."""
        return docker(
            *("exec", self.container, "psql", "-XAtqU", "rdsadmin", "-v", "ON_ERROR_STOP=1"),
            *("-c", statements, database),
        )


@dataclass(frozen=True, kw_only=True)
class Database:
    """One database on the server, owned by audit_owner."""

    server: Server
    name: str

    @property
    def owner_url(self) -> str:
        return self.server.url(OWNER, self.name)

    def connect(self, role: str = OWNER) -> psycopg.Connection:
        return self.server.connect(role, self.name)

    def superuser(self, statements: str) -> str:
        return self.server.superuser(self.name, statements)

    def url_file(self, folder: Path) -> Path:
        """A file that holds the owner's URL."""
        file = folder / "owner-url"
        file.write_text(self.owner_url + "\n")
        return file


@contextmanager
def running(port: int | None = None) -> Iterator[Server]:
    """A server with the three roles, for as long as the block runs.

    With a port of 127.0.0.1 its address stays the same when the container is stopped and started.
    """
    options: tuple[str, ...] = (
        "--env",
        f"POSTGRES_USER={MASTER}",
        "--env",
        f"POSTGRES_PASSWORD={PASSWORD}",
        "--env",
        "POSTGRES_DB=audit",
    )
    if port:
        options += ("--publish", f"127.0.0.1:{port}:5432")
    with container(images()["postgres"], *options) as identity:
        server = (
            Server(container=identity, host="127.0.0.1", port=port)
            if port
            else Server(container=identity, host=address(identity))
        )
        wait_until(server.answers, "the database")
        with server.connect(MASTER, "postgres") as master:
            master.execute(_ROLES)
            master.execute(_CRON)
        yield server


@contextmanager
def new_database(server: Server, name: str | None = None, *, template: Database | None = None) -> Iterator[Database]:
    """An empty database with the rights of the stacks, or a copy of `template`; dropped at the end."""
    made = Database(server=server, name=name or f"audit_{secrets.token_hex(4)}")
    identifier, source = sql.Identifier(made.name), sql.Identifier(template.name if template else "template0")
    locale = sql.SQL("ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
    with server.connect(MASTER, "postgres") as master:
        master.execute(
            sql.SQL("CREATE DATABASE {} OWNER audit_owner TEMPLATE {} {}").format(identifier, source, locale)
        )
    if not template:
        with server.connect(MASTER, made.name) as inside:
            inside.execute(_RIGHTS)
    yield made
    with server.connect(MASTER, "postgres") as master:
        master.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


@contextmanager
def only_reading(server: Server, database: str) -> Iterator[Callable[[], None]]:
    """A primary that is one no more: every session may only read, those that exist too, which go on. Yields what lets
    new ones write."""

    def sets(what: str) -> None:
        server.superuser(database, f"BEGIN READ WRITE; ALTER DATABASE {database} {what}; COMMIT")

    server.superuser(database, "ALTER SYSTEM SET default_transaction_read_only = on")
    server.superuser(database, "SELECT pg_reload_conf()")
    try:
        yield lambda: sets("SET default_transaction_read_only = off")
    finally:
        server.superuser(database, "ALTER SYSTEM RESET default_transaction_read_only")
        server.superuser(database, "SELECT pg_reload_conf()")
        sets("RESET default_transaction_read_only")
