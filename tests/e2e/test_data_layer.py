"""The data layer of a stack that really runs: who may do what, where secrets are not, and what is refused.

The tests run in order, on one system.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
from urllib.parse import urlsplit

import docker
import psycopg
import pytest

from offline.machine import ROOT
from tests.support.system import Done, System

pytestmark = pytest.mark.e2e

PLANTED = "https://hooks.slack.com/services/" + "T000/" + "B000/" + "planted" * 3
"""Put into the vault out of band, as whoever owns the channel does."""


def refused(connection: psycopg.Connection, statement: str) -> bool:
    try:
        connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def migrate(system: System, action: str, *, code: int = 0) -> Done:
    return system.run(sys.executable, "-m", "cutover", "migrate", action, "-s", system.stack, "--json", code=code)


def changed(system: System) -> set[str]:
    """The names of what an update would change."""
    steps = json.loads(system.pulumi("preview", "--json").text)["steps"]
    return {step["urn"].rsplit("::", 1)[-1] for step in steps if step["op"] not in ("same", "read")}


def touched(system: System) -> list[tuple[str, str, str]]:
    """Every resource with the time it was last changed."""
    return [(each["urn"], each.get("id", ""), each["modified"]) for each in system.resources()]


def test_it_comes_up_and_a_preview_and_a_refresh_find_nothing_to_change(system: System) -> None:
    assert "GO  web-next" in system.up().last_line
    system.pulumi("preview", "--expect-no-changes")
    system.pulumi("refresh", "--preview-only", "--expect-no-changes")


def test_the_schema_is_what_the_migrations_promise_and_its_upkeep_is_scheduled(system: System) -> None:
    assert json.loads(migrate(system, "verify").text) == {"ok": True, "differences": []}
    status = json.loads(migrate(system, "status").text)
    assert status["pending"] == []
    assert status["upkeep"]["runway"] >= 3
    assert {job["name"] for job in status["upkeep"]["jobs"]} == {
        "audit-partitions",
        "audit-idempotency",
        "alert-outbox",
    }


def test_the_writer_appends_and_reads_and_can_do_nothing_else(system: System) -> None:
    with system.connect("AUDIT_DB_URL") as writer:
        writer.execute("INSERT INTO audit_log (action, result) VALUES ('e2e', 'ok')")
        assert writer.execute("SELECT count(*) > 0 FROM audit_log").fetchone() == (True,)
        for statement in (
            "UPDATE audit_log SET result = 'err'",
            "DELETE FROM audit_log",
            "TRUNCATE audit_log",
            "ALTER TABLE audit_log ADD COLUMN x INT",
            "DROP TABLE audit_log",
            "ALTER TABLE audit_log DISABLE TRIGGER ALL",
            "CREATE TABLE mine (id INT)",
            "CREATE TEMPORARY TABLE mine (id INT)",
            "SELECT * FROM cutover.schema_migrations",
            "INSERT INTO cutover.schema_migrations VALUES (99, 'x', 'x')",
            "SELECT ensure_audit_partitions(1, now())",
        ):
            assert refused(writer, statement), statement
        owned = writer.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole").fetchone()
        assert owned == (0,), "the app owns nothing"


def test_the_reader_only_reads(system: System) -> None:
    with system.connect("AUDIT_DB_READER_URL") as reader:
        assert reader.execute("SELECT count(*) > 0 FROM audit_log").fetchone() == (True,)
        for statement in (
            "INSERT INTO audit_log (action, result) VALUES ('e2e', 'ok')",
            "DELETE FROM audit_log",
            "CREATE TEMPORARY TABLE mine (id INT)",
            "SELECT nextval('audit_log_id_seq')",
        ):
            assert refused(reader, statement), statement


def test_even_the_owner_cannot_change_what_was_written(system: System) -> None:
    with system.connect("AUDIT_DB_OWNER_URL") as owner:
        for statement in ("UPDATE audit_log SET result = 'err'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
            assert refused(owner, statement), statement


def test_redis_answers_over_tls_to_the_token_in_the_vault_and_to_nobody_else(system: System) -> None:
    url = urlsplit(system.secret("REDIS_URL"))
    assert url.scheme == "rediss"
    trust = ssl.create_default_context(cafile=str(ROOT / ".local" / "tls" / "ca.pem"))

    def ask(*commands: str) -> list[str]:
        assert url.hostname
        with (
            socket.create_connection((url.hostname, url.port or 6379), timeout=5) as plain,
            trust.wrap_socket(plain, server_hostname=url.hostname) as connection,
        ):
            answered = connection.makefile("r", newline="\n")
            connection.sendall("".join(f"{command}\r\n" for command in commands).encode())
            return [answered.readline().strip() for _ in commands]

    assert ask(f"AUTH {url.password}", "PING") == ["+OK", "+PONG"]
    assert ask("PING")[0].startswith("-NOAUTH")


def test_a_planted_secret_is_found_nowhere_but_in_the_vault(system: System) -> None:
    system.vault().put_secret_value(SecretId=f"web-next-{system.stack}/SLACK_WEBHOOK_URL", SecretString=PLANTED)
    urls = ("AUDIT_DB_MASTER_URL", "AUDIT_DB_OWNER_URL", "AUDIT_DB_URL", "AUDIT_DB_READER_URL", "REDIS_URL")
    planted = {PLANTED, *(str(urlsplit(system.secret(name)).password) for name in urls)}
    assert len(planted) == 6
    system.set("version", "1.5.9")
    printed = {
        "preview": system.pulumi("preview", "--diff").text,
        "up": system.up("--refresh").text,
        "outputs": system.run(sys.executable, "-m", "cutover", "outputs", "-s", system.stack).text,
        "export": system.pulumi("stack", "export").text,
        "history": system.pulumi("stack", "history", "--json").text,
        "migrate": migrate(system, "status").text,
    }
    places = {**printed, "state": system.state_text()}
    places["reports"] = "".join(path.read_text() for path in (system.folder / ".local" / "smoke").glob("*"))
    engine = docker.from_env()
    for container in engine.containers.list(all=True, filters={"label": system.machine.label}):
        places[f"{container.name}: settings"] = json.dumps(container.attrs)
        places[f"{container.name}: log"] = container.logs().decode(errors="replace")
        if system.stack in container.name and container.status == "running":
            environments = "for each in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $each; done; printenv"
            places[f"{container.name}: environment"] = container.exec_run(["sh", "-c", environments]).output.decode()
            image = container.image
            places[f"{container.name}: image"] = json.dumps([image.attrs, image.history()])
    assert sum(name.endswith(": environment") for name in places) == 8, (
        "the service's three, edge, what measures, and data"
    )
    for place, text in places.items():
        assert text.strip() or place.endswith(": log"), f"nothing to look at in {place}"
        assert not [one for one in planted if one in text], f"a secret is in {place}"


def test_a_secret_that_was_put_out_of_band_is_no_drift(system: System) -> None:
    system.pulumi("refresh", "--preview-only", "--expect-no-changes")
    assert changed(system) == set()
    assert system.secret("SLACK_WEBHOOK_URL") == PLANTED


def test_a_retention_changes_the_schema_and_the_record_alone_and_schedules_its_job(system: System) -> None:
    system.set("auditRetentionMonths", "24")
    assert changed(system) == {"schema", "deployment"}
    system.up()
    jobs = {job["name"] for job in json.loads(migrate(system, "status").text)["upkeep"]["jobs"]}
    assert "audit-retention" in jobs
    system.unset("auditRetentionMonths")
    system.up()
    jobs = {job["name"] for job in json.loads(migrate(system, "status").text)["upkeep"]["jobs"]}
    assert "audit-retention" not in jobs


def test_a_job_that_somebody_removed_is_drift_and_is_put_back(system: System) -> None:
    url = system.secret("AUDIT_DB_OWNER_URL")
    with psycopg.connect(url, dbname="postgres", autocommit=True) as owner:
        owner.execute("SELECT cron.unschedule('audit-partitions')")
    assert "audit-partitions is missing" in migrate(system, "verify", code=7).text
    system.pulumi("refresh", "--preview-only", "--expect-no-changes", code=7)
    assert "update   pulumi-python:dynamic:Schema schema" in system.up("--refresh").text
    migrate(system, "verify")


def test_without_its_database_an_update_is_refused_before_anything_changes(system: System) -> None:
    database = system.container("audit")
    before = system.state_text()
    system.set("retentionDays", "31")
    database.stop(timeout=5)
    try:
        done = system.up(code=8)
    finally:
        database.start()
        system.unset("retentionDays")
    assert f"the audit database at {system.outputs()['audit_db_endpoint']} does not answer" in done.last_line
    assert system.state_text() == before


def test_every_problem_of_the_settings_and_the_migrations_is_refused_at_once(system: System) -> None:
    twice = system.folder / "migrations" / "001_again.sql"
    twice.write_text("SELECT 1;\n")
    wrong = {
        "evidenceBucket": "Not_A_Bucket",
        "retentionDays": "0",
        "database": {"class": "db.m7g.tiny"},
        "network": {
            "cidr": "10.42.0.0/16",
            "appSubnets": ["10.42.0.0/20", "10.42.8.0/21"],
            "dataSubnets": ["10.42.64.0/20", "10.42.80.0/20"],
            "publicSubnets": ["10.42.128.0/20", "10.42.144.0/20"],
        },
    }
    before = touched(system)
    for key, value in wrong.items():
        system.set(key, value)
    try:
        done = system.up(code=1)
    finally:
        twice.unlink()
        for key in wrong:
            system.unset(key)
    for text in ("Not_A_Bucket", "retentionDays", "db.m7g.tiny", "overlaps network.appSubnets[0]", "001_again.sql"):
        assert text in done.last_line
    assert touched(system) == before


def test_what_holds_data_is_not_destroyed_or_replaced_until_it_is_named(system: System) -> None:
    system.set("mayDestroy", [])
    system.up()
    try:
        before = system.state_text()
        system.set("evidenceBucket", f"{system.outputs()['evidence_bucket']}-new")
        replaced = system.up(code=1)
        system.unset("evidenceBucket")
        unchanged = system.state_text() == before
        destroyed = system.pulumi("destroy", "--yes", code=None)
        untouched = system.state_text() == before
        kept = {each["urn"].rsplit("::", 1)[-1] for each in system.resources() if each.get("protect")}
    finally:
        system.set("mayDestroy", ["audit", "evidence", "records", "vault"])
        system.up()
    assert "evidence holds data and is protected" in replaced.last_line
    assert "web-next:mayDestroy" in replaced.last_line
    assert unchanged, "a refused update changes nothing"
    assert destroyed.code != 0
    assert "protect" in destroyed.text
    assert untouched, "a refused destroy destroys nothing"
    assert {"audit", "evidence", "records", "vault", "audit_owner", "audit-roles", "AUDIT_DB_URL"} <= kept
    assert not [each for each in system.resources() if each.get("protect")]
