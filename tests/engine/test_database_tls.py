"""Whom a connection to the audit database believes: a server with the name and the authority that were expected."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

import webnext.postgres
from cutover.errors import UnreachableError
from cutover.schema import authorities
from cutover.schema.connection import connect
from tests.support import postgres
from tests.support.containers import docker
from webnext.dependency import AwayError
from webnext.vault import Vault

pytestmark = pytest.mark.engine

REFUSED = "certificate verify failed"


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.running() as made:
        yield made


@pytest.fixture(scope="module")
def name(server: postgres.Server) -> str:
    """The name that the server's certificate has: its container's."""
    return docker("exec", server.container, "hostname")


@pytest.fixture(scope="module")
def itself(server: postgres.Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The authority of the server's certificate, which it signed itself."""
    file = tmp_path_factory.mktemp("authority") / "server.pem"
    file.write_text(docker("exec", server.container, "sh", "-c", 'cat "$PGDATA/server.crt"') + "\n")
    return file


def url(host: str, more: str = "") -> str:
    return f"postgresql://{postgres.MASTER}:{postgres.PASSWORD}@{host}:1/postgres?sslmode=verify-full{more}"


def test_a_tunnels_end_is_believed_when_the_servers_own_name_is_on_its_certificate(
    server: postgres.Server, name: str, itself: Path
) -> None:
    address = (server.host, server.port)

    with connect(url(name), address=address, authorities=itself) as connection:
        assert connection.info.host == name
        assert connection.info.hostaddr == server.host
    with (
        pytest.raises(UnreachableError, match=r"does not match host name \"db.example.com\""),
        connect(url("db.example.com"), address=address, authorities=itself),
    ):
        pass


def test_a_server_of_another_authority_than_rds_is_not_believed(server: postgres.Server, name: str) -> None:
    with (
        pytest.raises(UnreachableError, match=REFUSED),
        connect(url(name), address=(server.host, server.port), authorities=authorities.FILE),
    ):
        pass


def asked(vaults: str) -> object:
    """What the service's pool says of the vault's address."""

    class Secrets:
        def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803
            assert SecretId == f"test/{webnext.postgres.SECRET}"
            return {"SecretString": vaults}

    async def ask() -> object:
        made = webnext.postgres.Postgres(Vault("test/", Secrets))
        await made.open()
        try:
            return (await made.run("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))[0][0]
        finally:
            await made.close()

    return asyncio.run(ask())


def test_the_service_believes_rds_alone_where_its_address_says_so(
    server: postgres.Server, name: str, itself: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = f"&hostaddr={server.host}&port={server.port}"

    monkeypatch.setattr(webnext.postgres, "AUTHORITIES", authorities.FILE)  # as the image has it
    with pytest.raises(AwayError, match=REFUSED):
        asked(url(name, at))
    monkeypatch.setattr(webnext.postgres, "AUTHORITIES", itself)
    assert asked(url(name, at)) is True
    with pytest.raises(AwayError, match="does not match host name"):
        asked(url("db.example.com", at))


def test_the_service_asks_for_no_authority_where_its_address_does_not(server: postgres.Server) -> None:
    assert asked(server.url(postgres.MASTER, "postgres")) is True
