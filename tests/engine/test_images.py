"""The database images as they run: what the master may do, who is let in, what outlives a restart."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from offline.images.build import build_all
from psycopg import errors

pytestmark = pytest.mark.engine
PASSWORD = "local " + "'quoted'" + ' "twice"'
STOP_SECONDS = 5.0


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


@dataclass
class Postgres:
    """A database container on a volume of its own."""

    image: str
    name: str
    volume: str

    def run(self, *options: str) -> None:
        docker(
            "run", "--detach", "--name", self.name, "--volume", f"{self.volume}:/var/lib/postgresql/data",
            "--env", "POSTGRES_USER=master", "--env", f"POSTGRES_PASSWORD={PASSWORD}", "--env", "POSTGRES_DB=audit",
            *options, self.image,
        )  # fmt: skip

    def connect(self, *, user: str = "master", sslmode: str = "require", database: str = "audit"):  # type: ignore[no-untyped-def]
        """Connects as soon as the database takes connections; a refusal is raised."""
        address = docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.name)
        deadline = time.monotonic() + 30
        while True:
            try:
                return psycopg.connect(
                    host=address, user=user, password=PASSWORD, dbname=database, sslmode=sslmode, autocommit=True
                )
            except psycopg.OperationalError as error:
                starting = "Connection refused" in str(error) or "starting up" in str(error)
                assert not starting or time.monotonic() < deadline, docker("logs", self.name)
                if not starting:
                    raise
                time.sleep(0.1)


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return build_all()


@pytest.fixture
def fresh(images: dict[str, str]) -> Iterator[Postgres]:
    """A name and a volume that are removed again."""
    name = f"images-test-{secrets.token_hex(4)}"
    yield Postgres(images["postgres"], name, name)
    subprocess.run(["docker", "rm", "--force", name], capture_output=True)
    subprocess.run(["docker", "volume", "rm", name], capture_output=True)


@pytest.fixture(scope="module")
def database(images: dict[str, str]) -> Iterator[Postgres]:
    """One running database for the tests that only look."""
    name = f"images-test-{secrets.token_hex(4)}"
    postgres = Postgres(images["postgres"], name, name)
    postgres.run()
    yield postgres
    subprocess.run(["docker", "rm", "--force", name], capture_output=True)
    subprocess.run(["docker", "volume", "rm", name], capture_output=True)


def test_the_master_has_the_rights_of_an_rds_master_and_no_more(database: Postgres) -> None:
    with database.connect() as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin"
            " FROM pg_roles WHERE rolname = 'master'"
        ).fetchone()
        assert row == (False, True, True, False, False, True)
        for role in ("rds_superuser", "pg_monitor", "pg_signal_backend", "pg_checkpoint"):
            assert connection.execute("SELECT pg_has_role('master', %s, 'member')", [role]).fetchone() == (True,)
        superusers = connection.execute("SELECT rolname FROM pg_roles WHERE rolsuper").fetchall()
        assert superusers == [("rdsadmin",)]


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "ALTER SYSTEM SET max_connections = 10",
        "SELECT pg_read_file('pg_hba.conf')",
        "ALTER ROLE master SUPERUSER",
        "SET ROLE rdsadmin",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_what_needs_a_superuser_is_refused(database: Postgres, statement: str) -> None:
    with database.connect() as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)


def test_the_master_owns_its_database_and_makes_roles_and_databases(database: Postgres) -> None:
    with database.connect() as connection:
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchone()
        assert owner == ("master", "UTF8", "C.UTF-8")
        connection.execute("CREATE ROLE owner_role NOLOGIN")
        connection.execute("CREATE DATABASE another")
        connection.execute("CREATE TABLE made (value text)")


def test_creating_a_database_for_another_role_takes_a_grant_first_as_on_rds(database: Postgres) -> None:
    with database.connect() as connection:
        connection.execute("CREATE ROLE keeper NOLOGIN")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("CREATE DATABASE kept OWNER keeper")
        connection.execute("GRANT keeper TO master")
        connection.execute("CREATE DATABASE kept OWNER keeper")


def test_a_connection_without_tls_is_refused_and_one_with_tls_is_encrypted(database: Postgres) -> None:
    with database.connect() as connection:
        row = connection.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
        assert row[0]
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        database.connect(sslmode="disable")


def test_the_superuser_cannot_come_by_network(database: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="pg_hba"):
        database.connect(user="rdsadmin")


def test_a_wrong_password_is_refused_and_passwords_are_scram(database: Postgres) -> None:
    address = docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", database.name)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host=address, user="master", password="wrong", dbname="audit", sslmode="require")
    stored = docker("exec", database.name, "psql", "-U", "rdsadmin", "-d", "postgres", "-Atc",
                    "SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'master'")  # fmt: skip
    assert stored == "SCRAM-SHA-256"


def test_postgres_runs_as_its_own_user_and_the_password_is_in_no_log(database: Postgres) -> None:
    assert docker("exec", database.name, "id", "--user", "--name") == "postgres"
    logs = subprocess.run(["docker", "logs", database.name], capture_output=True, text=True)
    assert PASSWORD not in logs.stdout + logs.stderr
    environment = docker("exec", database.name, "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ")
    assert PASSWORD not in environment, "the server's own environment"


def test_the_connections_and_memory_are_those_of_a_small_machine(database: Postgres) -> None:
    with database.connect() as connection:
        assert connection.execute("SHOW max_connections").fetchone() == ("100",)
        size = connection.execute("SELECT pg_size_bytes(current_setting('shared_buffers'))").fetchone()
        assert size[0] <= 64 * 1024 * 1024


def test_data_outlive_the_container_and_a_later_start_needs_no_password(fresh: Postgres) -> None:
    fresh.run()
    with fresh.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
    docker("rm", "--force", fresh.name)
    docker("run", "--detach", "--name", fresh.name, "--volume", f"{fresh.volume}:/var/lib/postgresql/data", fresh.image)
    with fresh.connect() as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (42,)


def test_an_interrupted_first_start_is_made_good_by_the_next(fresh: Postgres) -> None:
    fresh.run()
    time.sleep(0.4)
    docker("kill", fresh.name)
    docker("start", fresh.name)
    with fresh.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_stop_is_prompt_although_a_client_stays_connected(fresh: Postgres) -> None:
    fresh.run()
    with fresh.connect() as connection:
        connection.execute("SELECT 1")
        started = time.monotonic()
        docker("stop", "--time", "30", fresh.name)
        assert time.monotonic() - started < STOP_SECONDS
    assert docker("inspect", "--format", "{{.State.ExitCode}}", fresh.name) == "0"


def test_a_first_start_without_a_password_says_so(fresh: Postgres) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--name", fresh.name, fresh.image], capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "POSTGRES_PASSWORD is empty" in done.stderr


def test_redis_keeps_what_was_written_when_it_is_killed(images: dict[str, str], unique: Callable[[str], str]) -> None:
    name = unique("images-test")
    run = ("run", "--detach", "--name", name, "--volume", f"{name}:/data", images["redis"])
    try:
        docker(*run)
        deadline = time.monotonic() + 10
        while subprocess.run(["docker", "exec", name, "redis-cli", "ping"], capture_output=True).stdout != b"PONG\n":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert docker("exec", name, "redis-cli", "set", "kept", "42") == "OK"
        assert docker("exec", name, "redis-cli", "config", "get", "maxmemory-policy").split()[1] == "noeviction"
        time.sleep(1.1)  # appendfsync everysec
        docker("rm", "--force", name)
        docker(*run)
        while subprocess.run(["docker", "exec", name, "redis-cli", "ping"], capture_output=True).stdout != b"PONG\n":
            assert time.monotonic() < deadline + 10
            time.sleep(0.1)
        assert docker("exec", name, "redis-cli", "get", "kept") == "42"
        assert docker("exec", name, "id", "--user", "--name") == "redis"
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True)
        subprocess.run(["docker", "volume", "rm", name], capture_output=True)


def test_no_image_carries_a_private_key_or_a_variable_that_sounds_like_a_secret(images: dict[str, str]) -> None:
    for name, image in images.items():
        variables = docker("inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", image)
        assert not [line for line in variables.splitlines() if any(w in line for w in ("KEY", "SECRET", "PASSWORD"))]
        search = "grep -rlE 'BEGIN (RSA |EC )?PRIVATE KEY' /etc /opt /var /root 2>/dev/null || true"
        found = docker("run", "--rm", "--entrypoint", "sh", "--user", "0", image, "-c", search)
        assert not found, f"{name}: {found}"


def test_building_again_does_nothing_and_is_quick(images: dict[str, str]) -> None:
    started = time.monotonic()
    said: list[str] = []
    assert build_all(said.append) == images
    assert not said
    assert time.monotonic() - started < 1.0, "0.3 s on an idle machine"
