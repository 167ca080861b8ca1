"""A connection whose address the vault no longer has, or that may only read, is closed; a vault that does not answer
costs none."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import psycopg
import pytest

from webnext.dependency import AwayError
from webnext.postgres import Postgres
from webnext.vault import CONFIRM_SECONDS, VaultError

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
    address, closed, only_reads = OLD, False, False
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
    connection.used = time.monotonic() + 60
    with pytest.raises(psycopg.OperationalError, match="another address"):
        asyncio.run(Postgres(Vault(NEW))._check(connection))  # type: ignore[arg-type]

    assert connection.closed


@pytest.mark.parametrize(
    "vault", [Vault(OLD), Vault(VaultError("away")), Vault(NEW, seconds=1)], ids=["the same", "away", "slow"]
)
def test_one_that_is_the_vaults_or_of_which_the_vault_says_nothing_in_time_is_kept(vault: Vault) -> None:
    assert not checked(vault).closed


def test_what_was_compared_a_moment_ago_is_not_compared_again() -> None:
    assert not checked(Vault(NEW), confirmed=time.monotonic()).closed
    assert CONFIRM_SECONDS < 10


def test_one_whose_session_may_only_read_is_closed_though_it_answers() -> None:
    connection = Connection()
    connection.used, connection.only_reads = time.monotonic() + 60, True
    with pytest.raises(psycopg.OperationalError, match="may only read"):
        asyncio.run(Postgres(Vault(OLD))._check(connection))  # type: ignore[arg-type]

    assert connection.closed


SAID = r"^secret AUDIT_DB_URL is no address: it must be postgresql://USER:PASSWORD@HOST:5432/audit, "
LEAKS = "postgresql://audit_writer:a word%zz@127.0.0.1:1/audit"


@pytest.mark.parametrize(
    "address",
    [
        LEAKS,
        "postgresql://audit_writer:word%zz@127.0.0.1:1/audit",
        "postgresql://audit_writer:word\n@127.0.0.1:1/audit",
        "postgresql://audit_writer:word%00@127.0.0.1:1/audit",
        "postgresql://audit_writer:a/word@127.0.0.1:1/audit",
        "postgresql://audit_writer:a@word@127.0.0.1:1/audit",
        "postgresql://audit_writer:a@127.0.0.1:word/audit",
        "postgresql://audit_writer:a@127.0.0.1:1/audit@word",
        "postgresql://audit_writer:a@[word/audit",
        "postgresql://audit_writer:a@127.0.0.1:1/audit?sslmode=verify-full&word=1",
        "postgresql//audit_writer:word@127.0.0.1:1/audit",
        "host=127.0.0.1 port=1 passwort=word",
        "host=127.0.0.1 port=1 password='word",
        "word",
    ],
)
def test_an_address_that_is_none_is_told_without_a_word_of_it(address: str) -> None:
    with pytest.raises(VaultError, match=SAID) as refused:
        asyncio.run(Postgres(Vault(address)).address())  # type: ignore[arg-type]

    assert "word" not in str(refused.value)
    assert (refused.value.__cause__, refused.value.__suppress_context__) == (None, True)


def test_no_line_of_the_log_has_a_word_of_it_either(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> str:
        badly = Postgres(Vault(LEAKS))  # type: ignore[arg-type]
        await badly.open()
        for _ in range(3):
            with pytest.raises(AwayError) as away:
                await badly.run("SELECT 1")
        await badly.close()
        return away.value.cause

    assert re.match(SAID, asyncio.run(run()))
    assert any(message.startswith("postgres is away: secret AUDIT_DB_URL is no") for message in caplog.messages)
    assert "word" not in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://audit_writer:a%20b?#:,@127.0.0.1:1/audit",
        "postgres://audit_writer@[::1]:1/audit?sslmode=disable",
        "postgresql://audit_writer:a@local-host.example/audit?port=1&sslmode=require",
    ],
)
def test_an_address_of_the_form_is_used_as_it_is(address: str) -> None:
    assert asyncio.run(Postgres(Vault(address)).address()) == address  # type: ignore[arg-type]
