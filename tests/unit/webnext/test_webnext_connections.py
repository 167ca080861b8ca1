"""Which answers condemn a connection, and what is done then. Against servers: tests/engine/test_webnext_failover.py."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest
from psycopg import errors
from redis._parsers.base import BaseParser
from redis.exceptions import ResponseError

from webnext.alerts.redis import condemns
from webnext.postgres import Postgres
from webnext.vault import Vault


@pytest.mark.parametrize(
    ("answer", "does"),
    [
        ("READONLY You can't write against a read only replica.", True),
        ("READONLY You can't write against a read only replica. script: 1f, on @user_script:7.", True),
        ("ERR Error running script (call to f_1): @user_script:7: -READONLY You can't write against a replica.", True),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", True),
        ("CLUSTERDOWN The cluster is down", True),
        ("NOREPLICAS Not enough good replicas to write.", True),
        ("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)", True),
        ("OOM command not allowed when used memory > 'maxmemory'.", False),
        ("MISCONF Errors writing to the AOF file: No space left on device", False),
        ("NOSCRIPT No matching script. Please use EVAL.", False),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", False),
    ],
)
def test_an_answer_of_what_is_no_primary_any_more_condemns_the_connection(answer: str, does: bool) -> None:
    error = BaseParser.parse_error(answer)  # type: ignore[no-untyped-call]
    assert isinstance(error, ResponseError)
    assert condemns(error) is does


class Connection:
    """One of a pool, as far as it is used here. `error` is what its statements end with."""

    closed, used = False, 0.0

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def close(self) -> None:
        self.closed = True


def asked(*connections: Connection) -> tuple[str | Exception, int]:
    """What comes of work by these connections, one after the other, and how many were given back."""
    returned: list[Any] = []
    made, lent = Postgres(Vault("test/", lambda: None)), iter(connections)

    async def take() -> Any:
        return next(lent)

    async def work(connection: Any) -> str:
        if connection.error:
            raise connection.error
        return "done"

    async def put(connection: Any) -> None:
        returned.append(connection)

    made._take = take  # type: ignore[method-assign]
    made._pool.putconn = put  # type: ignore[assignment, method-assign]
    try:
        return asyncio.run(made.ask(work)), len(returned)
    except psycopg.Error as error:
        return error, len(returned)


@pytest.mark.parametrize(
    "error",
    [
        errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
        errors.AdminShutdown("terminating connection due to administrator command"),
        errors.CannotConnectNow("the database system is shutting down"),
        errors.InvalidPassword("password authentication failed"),
        errors.ConnectionFailure("gone"),
    ],
)
def test_an_error_that_condemns_a_connection_is_asked_again_by_another_one(error: psycopg.Error) -> None:
    condemned = Connection(error)
    assert asked(condemned, Connection()) == ("done", 2)
    assert condemned.closed
    assert asked(Connection(error), Connection(error)) == (error, 2), "once"


@pytest.mark.parametrize("error", [errors.QueryCanceled("statement timeout"), errors.CheckViolation("no partition")])
def test_any_other_error_is_an_answer(error: psycopg.Error) -> None:
    kept = Connection(error)
    assert asked(kept, Connection()) == (error, 1)
    assert not kept.closed
