"""A connection to the audit database, and what goes wrong on it in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cutover.errors import MigrationError, UnreachableError

if TYPE_CHECKING:
    import psycopg

# The server notices within a second that a runner was killed, and gives back its locks.
_SESSION = "SET client_connection_check_interval = '1s'; SET statement_timeout = 0; SET lock_timeout = 0"


@contextmanager
def connect(
    url: str,
    *,
    endpoint: str | None = None,
    address: tuple[str, int] | None = None,
    database: str | None = None,
    authorities: Path | None = None,
) -> Iterator[psycopg.Connection]:
    """A connection in autocommit mode.

    `endpoint`, host:port, replaces the URL's. `address`, an IP address and a port, is where to connect in place of that
    host, whose name still is what a certificate is checked for; `database` replaces the URL's; `authorities` is the
    file of those that are believed where the URL has the server's certificate verified.

    Raises, in one line and without the URL, UnreachableError when none answers, MigrationError for what is no URL and
    for what the database refuses inside the block.
    """
    import psycopg

    instead: dict[str, Any] = {"dbname": database} if database else {}
    if endpoint:
        instead["host"], _, instead["port"] = endpoint.rpartition(":")
    if authorities:
        instead |= {"sslrootcert": str(authorities)}
    if address:
        instead |= {"hostaddr": address[0], "port": address[1]}
    if not _is_whole(url):
        raise MigrationError(
            "the audit database's secret is not a PostgreSQL URL, or its password has a mark that is not "
            "percent-encoded: postgresql://USER:PASSWORD@HOST/audit"
        )
    try:
        connection = psycopg.connect(
            url, autocommit=True, connect_timeout=10, application_name="cutover", client_encoding="utf8", **instead
        )
        connection.execute(_SESSION)
    except psycopg.Error as error:
        raise UnreachableError(f"the audit database does not answer: {first_line(error)}") from None
    with connection:
        try:
            yield connection
        except psycopg.Error as error:
            raise MigrationError(f"the audit database refused: {first_line(error)}") from None


def _is_whole(url: str) -> bool:
    """Whether libpq can read it, and takes no part of its password for the host, the database or an option."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        told = conninfo_to_dict(url)
    except ProgrammingError:
        return False
    return not any("@" in str(value) for key, value in told.items() if key not in ("user", "password"))


def first_line(error: psycopg.Error) -> str:
    """The first line of what Postgres says."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
