"""The image of Postgres: what RDS's master may, what survives, and who schedules what."""

from __future__ import annotations

import re
import secrets
import subprocess
import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from offline.images.build import build_all
from tests.support.containers import address, container, docker, wait_until

pytestmark = pytest.mark.engine

PASSWORD = f"it's {secrets.token_hex(8)}"


@pytest.fixture(scope="module")
def built() -> dict[str, str]:
    return build_all()


def connect(name: str, user: str = "master", database: str = "audit", mode: str = "require") -> psycopg.Connection:
    return psycopg.connect(
        host=address(name), user=user, password=PASSWORD, dbname=database, sslmode=mode, autocommit=True
    )


def answers(name: str) -> bool:
    with connect(name):
        return True


@pytest.fixture(scope="module")
def postgres(built: dict[str, str]) -> Iterator[str]:
    """A database on a volume of its own, made the way the emulator makes it."""
    volume = f"web-next-test-{secrets.token_hex(4)}"
    options = ("--volume", f"{volume}:/var/lib/postgresql/data", "--env", "POSTGRES_USER=master")
    try:
        with container(
            built["postgres"], *options, "--env", f"POSTGRES_PASSWORD={PASSWORD}", "--env", "POSTGRES_DB=audit"
        ) as name:
            wait_until(lambda: answers(name), "the database")
            yield name
    finally:
        docker("volume", "rm", "--force", volume)


def test_the_master_creates_roles_and_databases_for_others(postgres: str) -> None:
    with connect(postgres) as connection:
        connection.execute("CREATE ROLE app LOGIN PASSWORD 'x'")
        connection.execute("GRANT app TO master")
        connection.execute("CREATE DATABASE other OWNER app")
        connection.execute("CREATE SCHEMA journal")
        connection.execute("DROP DATABASE other")
        connection.execute("DROP SCHEMA journal")
        connection.execute("DROP ROLE app")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE ROLE boss SUPERUSER",
        "ALTER ROLE master SUPERUSER",
        "SET ROLE rdsadmin",
        "ALTER SYSTEM SET fsync = off",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "CREATE EXTENSION file_fdw",
    ],
)
def test_the_master_cannot_do_what_a_superuser_can(postgres: str, statement: str) -> None:
    with connect(postgres) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(sql.SQL(statement))
    assert refused.value.sqlstate == "42501", refused.value


def test_the_masters_attributes_are_those_of_rds(postgres: str) -> None:
    with connect(postgres) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles "
            "WHERE rolname = current_user"
        ).fetchone()
        assert row == (False, True, True, False, False)
        member = connection.execute("SELECT pg_has_role('rds_superuser', 'member')").fetchone()
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate FROM pg_database "
            "WHERE datname = 'audit'"
        ).fetchone()
    assert (member, owner) == ((True,), ("master", "UTF8", "C.UTF-8"))


def test_the_internal_superuser_does_not_come_by_network(postgres: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba.conf rejects connection"):
        connect(postgres, user="rdsadmin")
    assert docker("exec", postgres, "psql", "-XAtqU", "rdsadmin", "-c", "SELECT 1", "postgres") == "1"


def test_tls_is_forced_and_passwords_are_scram(postgres: str) -> None:
    with connect(postgres) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        connect(postgres, mode="disable")


def test_data_survive_and_a_stop_is_prompt_with_a_session_open(postgres: str) -> None:
    with connect(postgres) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 17 AS value")
    with connect(postgres) as open_session:
        open_session.execute("BEGIN")
        began = time.monotonic()
        docker("stop", "--time", "20", postgres)
        assert time.monotonic() - began < 15, "it had to be killed"
        open_session.close()
    docker("start", postgres)
    wait_until(lambda: answers(postgres), "the database after a restart")
    with connect(postgres) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (17,)


def test_data_survive_a_kill(postgres: str) -> None:
    with connect(postgres) as connection:
        connection.execute("CREATE TABLE killed AS SELECT 18 AS value")
    docker("kill", postgres)
    docker("start", postgres)
    wait_until(lambda: answers(postgres), "the database after a kill")
    with connect(postgres) as connection:
        assert connection.execute("SELECT value FROM killed").fetchone() == (18,)


def test_the_masters_password_is_not_in_the_servers_log(postgres: str) -> None:
    assert PASSWORD not in docker("logs", postgres)


SCHEDULE = "SELECT cron.schedule_in_database('upkeep', '1 seconds', 'CALL upkeep()', 'audit')"


@pytest.fixture(scope="module")
def scheduler(postgres: str) -> str:
    """A role to which the master passed on that it may schedule; its job writes and logs in the database audit."""
    password = sql.Literal(PASSWORD)
    with connect(postgres) as connection:
        for role in ("scheduler", "outsider"):
            create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), password)
            connection.execute(create)
        connection.execute("CREATE TABLE ran (by name)")
        connection.execute("GRANT INSERT ON ran TO scheduler")
        connection.execute(
            "CREATE PROCEDURE upkeep() LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO ran VALUES (current_user); COMMIT; RAISE LOG 'runway=% days', 90; END $$"
        )
    with connect(postgres, database="postgres") as connection:
        connection.execute("GRANT USAGE ON SCHEMA cron TO scheduler")
        connection.execute("GRANT EXECUTE ON FUNCTION cron.schedule_in_database TO scheduler")
    return "scheduler"


def values(name: str, user: str, database: str, query: str) -> list[object]:
    with connect(name, user, database) as connection:
        return [row[0] for row in connection.execute(sql.SQL(query)).fetchall()]


def test_a_role_that_the_master_lets_schedule_runs_a_job_in_another_database(postgres: str, scheduler: str) -> None:
    runs = "SELECT status || ' ' || username FROM cron.job_run_details WHERE end_time IS NOT NULL"
    with connect(postgres, scheduler, "postgres") as connection:
        job = connection.execute(SCHEDULE).fetchone()
        try:
            wait_until(lambda: values(postgres, "master", "audit", "SELECT by FROM ran") != [], "the job")
            wait_until(lambda: values(postgres, scheduler, "postgres", runs) != [], "the record of its run")
        finally:
            connection.execute("SELECT cron.unschedule(%s)", job)
    assert {*values(postgres, "master", "audit", "SELECT by FROM ran")} == {scheduler}
    assert {*values(postgres, scheduler, "postgres", runs)} == {f"succeeded {scheduler}"}
    assert values(postgres, "master", "postgres", runs) == [], "another role sees the runs"
    stamp = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    line = rf"{stamp}:\[local\]:scheduler@audit:\[\d+\]:LOG:  runway=90 days$"
    assert re.search(line, docker("logs", postgres), re.MULTILINE), docker("logs", postgres)


@pytest.mark.parametrize("granted", [(), ("GRANT USAGE ON SCHEMA cron TO outsider",)])
def test_a_role_that_nobody_lets_schedule_cannot(postgres: str, scheduler: str, granted: tuple[str, ...]) -> None:
    with connect(postgres, database="postgres") as master, connect(postgres, "outsider", "postgres") as connection:
        for statement in granted:
            master.execute(sql.SQL(statement))
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"schema cron|function schedule_in"):
            connection.execute(SCHEDULE)


def test_a_role_cannot_schedule_as_another(postgres: str, scheduler: str) -> None:
    as_master = "SELECT cron.schedule_in_database('x', '1 seconds', 'SELECT 1', 'audit', 'master')"
    with (
        connect(postgres, scheduler, "postgres") as connection,
        pytest.raises(psycopg.Error, match="must be superuser"),
    ):
        connection.execute(as_master)


def test_a_database_with_a_job_that_has_run_can_be_dropped(postgres: str, scheduler: str) -> None:
    with connect(postgres, database="postgres") as connection:
        connection.execute("CREATE DATABASE short")
        job = connection.execute(
            "SELECT cron.schedule_in_database('short', '1 seconds', 'SELECT 1', 'short')"
        ).fetchone()
        ran = "SELECT status FROM cron.job_run_details WHERE database = 'short' AND status = 'succeeded'"
        wait_until(lambda: connection.execute(ran).fetchone() is not None, "the job")
        connection.execute("SELECT cron.unschedule(%s)", job)
        connection.execute("DROP DATABASE short")


def test_a_volume_from_before_pg_cron_gets_it_at_the_next_start_and_once(postgres: str) -> None:
    superuser = ("exec", postgres, "psql", "-XqU", "rdsadmin", "postgres", "-c")
    docker(*superuser, "DROP EXTENSION pg_cron CASCADE")
    docker("exec", postgres, "rm", "/var/lib/postgresql/data/17/cron.sql")
    docker("kill", postgres)
    docker("start", postgres)
    wait_until(lambda: answers(postgres), "the database after an upgrade")
    granted = "SELECT has_function_privilege('cron.schedule(text, text)', 'EXECUTE WITH GRANT OPTION')"
    assert values(postgres, "master", "postgres", granted) == [True]
    before = docker("logs", postgres).count("starting PostgreSQL")
    docker("restart", postgres)
    wait_until(lambda: answers(postgres), "the database after a restart")
    logged = docker("logs", postgres)
    assert logged.count("starting PostgreSQL") == before + 1, "the extension is made at every start"
    assert "already exists" not in logged


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((), "POSTGRES_PASSWORD is empty"),
        (("POSTGRES_PASSWORD=x", "POSTGRES_USER=rdsadmin"), "rdsadmin, rds_* and pg_* are reserved"),
        (("POSTGRES_PASSWORD=x", "POSTGRES_USER=pg_monitor"), "rdsadmin, rds_* and pg_* are reserved"),
    ],
)
def test_a_database_that_cannot_be_made_says_why(built: dict[str, str], settings: tuple[str, ...], said: str) -> None:
    options = [word for setting in settings for word in ("--env", setting)]
    done = subprocess.run(
        ["docker", "run", "--rm", *options, built["postgres"]], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 64
    assert said in done.stderr


def test_an_interrupted_first_start_is_made_again(built: dict[str, str]) -> None:
    volume = f"web-next-test-{secrets.token_hex(4)}"
    options = ["--volume", f"{volume}:/var/lib/postgresql/data", "--env", f"POSTGRES_PASSWORD={PASSWORD}"]
    options += ["--env", "POSTGRES_USER=master", "--env", "POSTGRES_DB=audit"]
    try:
        with container(built["postgres"], *options) as name:
            wait_until(lambda: "17.draft" in docker("exec", name, "ls", "/var/lib/postgresql/data"), "the first start")
            docker("kill", name)
            docker("start", name)
            wait_until(lambda: answers(name), "the database after an interrupted first start")
    finally:
        docker("volume", "rm", "--force", volume)
