"""A connection whose address the vault no longer has is closed, and a vault that does not answer costs none."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import psycopg
import pytest

from webnext import postgres
from webnext.postgres import Postgres
from webnext.vault import VaultError

OLD, NEW = "postgresql://audit_writer@db/audit", "postgresql://audit_writer_2@db/audit"


class Vault:
    def __init__(self, says: str | Exception, seconds: float = 0.0) -> None:
        self.says, self.seconds = says, seconds

    def read(self, _name: str) -> str:
        time.sleep(self.seconds)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Connection:
    address, closed = OLD, False
    used = confirmed = 0.0

    async def close(self) -> None:
        self.closed = True


def checked(vault: Vault, **has: Any) -> Connection:
    """A connection of the old address, after it was looked at before it is lent."""
    connection = Connection()
    connection.used = time.monotonic() + 60  # just given back: it is not tested besides
    for name, value in has.items():
        setattr(connection, name, value)

    async def check() -> None:
        await Postgres(vault)._check(connection)  # type: ignore[arg-type]

    asyncio.run(check())
    return connection


def test_one_whose_address_is_another_by_now_is_closed_because_the_pool_would_keep_it() -> None:
    connection = Connection()
    with pytest.raises(psycopg.OperationalError, match="another address"):
        asyncio.run(Postgres(Vault(NEW))._confirm(connection))  # type: ignore[arg-type]

    assert connection.closed


@pytest.mark.parametrize(
    "vault", [Vault(OLD), Vault(VaultError("away")), Vault(NEW, seconds=1)], ids=["the same", "away", "slow"]
)
def test_one_that_is_the_vaults_or_of_which_the_vault_says_nothing_in_time_is_kept(vault: Vault) -> None:
    assert not checked(vault).closed


def test_what_was_compared_a_moment_ago_is_not_compared_again() -> None:
    assert not checked(Vault(NEW), confirmed=time.monotonic()).closed
    assert postgres.CONFIRM_SECONDS < 10
