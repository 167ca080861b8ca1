"""The images as containers: what RDS's master may, what survives, what is not in them."""

from __future__ import annotations

import json
import re
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from offline.images.build import NAMES, Images, build_all
from tests.support.containers import container, docker, wait_until

pytestmark = pytest.mark.engine

PASSWORD = f"it's {secrets.token_hex(8)}"


@pytest.fixture(scope="module")
def built() -> dict[str, str]:
    return build_all()


def address(name: str) -> str:
    return docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", name)


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


def test_redis_keeps_what_was_written_and_rewrites_no_configuration(built: dict[str, str]) -> None:
    volume = f"web-next-test-{secrets.token_hex(4)}"
    try:
        with container(built["redis"], "--volume", f"{volume}:/data") as name:
            wait_until(lambda: redis(name, "PING") == "+PONG", "Redis")
            assert redis(name, "SET key kept") == "+OK"
            assert redis(name, "CONFIG REWRITE").startswith("-ERR The server is running without a config file")
            assert "noeviction" in redis(name, "CONFIG GET maxmemory-policy")
            began = time.monotonic()
            docker("stop", "--time", "20", name)
            assert time.monotonic() - began < 15, "it had to be killed"
            docker("start", name)
            wait_until(lambda: redis(name, "GET key") == "$4\r\nkept", "Redis after a restart")
    finally:
        docker("volume", "rm", "--force", volume)


def redis(name: str, command: str) -> str:
    with socket.create_connection((address(name), 6379), 2) as connection:
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(4096).decode().strip()


@pytest.mark.parametrize("name", NAMES)
def test_an_image_carries_no_key_and_nothing_of_the_machine_that_built_it(built: dict[str, str], name: str) -> None:
    config = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", built[name]))
    settings = config.get("Env") or []
    variables = [setting.partition("=")[0] for setting in settings]
    assert not [key for key in variables if any(word in key for word in ("KEY", "SECRET", "PASSWORD"))]
    assert not [
        setting for setting in settings if re.search(r"://[^/@\s]*:[^/@\s]*@|AKIA[0-9A-Z]{16}|-----BEGIN", setting)
    ]
    script = (
        (
            "find / -xdev -type f ( -name *.key -o -name *-key.pem -o -name .netrc ) -not -path '/proc/*';"
            "ls /var/lib/apt/lists; cat /etc/machine-id"
        )
        .replace("(", r"\(")
        .replace(")", r"\)")
        .replace("*.key", "'*.key'")
        .replace("*-key", "'*-key'")
    )
    found = docker("run", "--rm", "--user", "0", "--entrypoint", "sh", built[name], "-c", script)
    assert found == ""


@pytest.mark.parametrize("name", ["postgres", "redis", "web-next"])
def test_a_service_does_not_run_as_root(built: dict[str, str], name: str) -> None:
    assert docker("image", "inspect", "--format", "{{.Config.User}}", built[name]) not in ("", "0", "root")


IMPORT_ALL = """
import importlib, os, pkgutil, sys, webnext
found = [module.name for module in pkgutil.walk_packages(webnext.__path__, "webnext.")]
for name in [*found, "bullmq", "httptools", "msgpack", "opentelemetry.exporter.otlp.proto.http.trace_exporter"]:
    if not name.endswith("__main__"):
        importlib.import_module(name)
import psycopg, uvloop
assert psycopg.pq.__impl__ == "binary", psycopg.pq.__impl__
sources = {getattr(module, "__file__", None): module for module in sys.modules.values()}
ours = [path for path in sources if path and path.startswith("/opt/web-next") and path.endswith(".py")]
print(len(ours), [path for path in ours if not os.path.exists(sources[path].__cached__)])
"""
AWS = """
import boto3, botocore.exceptions
for service in ("s3", "secretsmanager", "ssm", "sts"):
    boto3.client(service, region_name="eu-central-1")
try:
    boto3.client("ec2", region_name="eu-central-1")
except botocore.exceptions.UnknownServiceError:
    print("no others")
"""


def confined(image: str, *command: str) -> str:
    """What a command prints in a container as the runtime makes it, without a network."""
    return docker("run", "--rm", "--read-only", "--network=none", "--cap-drop=ALL", image, *command)


def test_all_that_the_service_imports_is_there_and_compiled(built: dict[str, str]) -> None:
    count, stale = confined(built["web-next"], "python3", "-c", IMPORT_ALL).splitlines()[-1].split(maxsplit=1)
    assert int(count) > 300
    assert stale == "[]", "a read-only root would have these compiled at every start"


def test_the_service_knows_the_four_services_of_aws_that_it_calls_and_no_others(built: dict[str, str]) -> None:
    assert confined(built["web-next"], "python3", "-c", AWS) == "no others"


def test_the_services_image_has_the_services_files_and_nothing_to_build_or_test_with(built: dict[str, str]) -> None:
    listed = confined(built["web-next"], "find", "/opt/web-next", "/usr/bin", "/usr/local", "-type", "f").splitlines()
    service = {path.removeprefix("/opt/web-next/") for path in listed if path.startswith("/opt/web-next/webnext/")}
    assert {path for path in service if not path.endswith(".pyc")} == {
        path for path in Images().sources("web-next") if path.startswith("webnext/")
    }
    idle = r"/bin/(pip.*|gcc|cc|ld|as|make|strip)$|/(node_modules|tests|\.agents)/|\.(pyi|pyx|pxd|c|h|proto)$"
    assert [path for path in listed if re.search(idle, path)] == []
    size = int(docker("image", "inspect", "--format", "{{.Size}}", built["web-next"]))
    assert size < 180_000_000, f"{size / 1e6:.0f} MB: see `docker history` for what came in"


def test_a_role_that_there_is_not_is_refused_by_its_name(built: dict[str, str]) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--read-only", built["web-next"], "python3", "-m", "webnext", "nurse"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "there is no role 'nurse': it is one of app, worker, executor, cleanup" in done.stderr


def exit_code(name: str) -> int:
    return int(docker("inspect", "--format", "{{.State.ExitCode}}", name))


def test_the_app_is_healthy_in_a_read_only_container_and_ends_when_it_is_told_to(built: dict[str, str]) -> None:
    with container(built["web-next"], "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges") as name:
        health = "{{.State.Health.Status}}"
        wait_until(lambda: docker("inspect", "--format", health, name) == "healthy", "the app's own health check")
        docker("stop", "--time", "30", name)
        assert exit_code(name) in (0, 143), "137: it had to be killed"


def test_a_process_that_is_still_starting_ends_when_it_is_told_to(built: dict[str, str]) -> None:
    starting = ("python3", "-c", "import time; print('imports', flush=True); time.sleep(600)")
    with container(built["web-next"], command=starting) as name:
        wait_until(lambda: docker("logs", name) == "imports", "its first line")
        docker("stop", "--time", "30", name)
        assert exit_code(name) == 143, "137: it had to be killed"


def test_what_is_built_is_not_built_again(built: dict[str, str]) -> None:
    assert build_all(lambda text: pytest.fail(f"{text} is built again")) == built


def test_the_official_names_are_not_shadowed(built: dict[str, str]) -> None:
    tags = json.loads(docker("image", "inspect", "--format", "{{json .RepoTags}}", built["postgres"]))
    assert {tag.split("/")[0] for tag in tags} == {"web-next-cutover"}


def test_a_base_is_imported_from_the_cache_when_docker_has_lost_it(
    built: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Images()
    tag = f"web-next-cutover/base:test-{secrets.token_hex(4)}"
    monkeypatch.setattr(Images, "tag", lambda self, name: tag)
    try:
        here._build("base", lambda text: None)
        assert docker("run", "--rm", tag, "cat", "/etc/debian_version").startswith("13")
    finally:
        docker("image", "rm", "--force", tag)
