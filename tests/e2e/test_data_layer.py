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


def jobs(system: System) -> set[str]:
    """The names of the upkeep's jobs."""
    return {job["name"] for job in json.loads(migrate(system, "status").text)["upkeep"]["jobs"]}


def test_the_schema_is_what_the_migrations_promise_and_its_upkeep_is_scheduled(standing: System) -> None:
    assert json.loads(migrate(standing, "verify").text) == {"ok": True, "differences": []}
    status = json.loads(migrate(standing, "status").text)
    assert status["pending"] == []
    assert status["upkeep"]["runway"] >= 3
    assert {job["name"] for job in status["upkeep"]["jobs"]} == {
        "audit-partitions",
        "audit-idempotency",
        "alert-outbox",
        "upkeep-history",
    }


def test_the_writer_appends_and_reads_and_can_do_nothing_else(standing: System) -> None:
    with standing.connect("AUDIT_DB_URL") as writer:
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


def test_the_reader_only_reads(standing: System) -> None:
    with standing.connect("AUDIT_DB_READER_URL") as reader:
        assert reader.execute("SELECT count(*) > 0 FROM audit_log").fetchone() == (True,)
        for statement in (
            "INSERT INTO audit_log (action, result) VALUES ('e2e', 'ok')",
            "DELETE FROM audit_log",
            "CREATE TEMPORARY TABLE mine (id INT)",
            "SELECT nextval('audit_log_id_seq')",
        ):
            assert refused(reader, statement), statement


def test_even_the_owner_cannot_change_what_was_written(standing: System) -> None:
    with standing.connect("AUDIT_DB_OWNER_URL") as owner:
        for statement in ("UPDATE audit_log SET result = 'err'", "DELETE FROM audit_log", "TRUNCATE audit_log"):
            assert refused(owner, statement), statement


def test_redis_answers_over_tls_to_the_token_in_the_vault_and_to_nobody_else(standing: System) -> None:
    url = urlsplit(standing.secret("REDIS_URL"))
    assert url.scheme == "rediss"
    trust = ssl.create_default_context(cafile=str(standing.folder / ".local" / "tls" / "ca.pem"))

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


def test_the_world_matches_the_state_and_a_secret_that_was_put_out_of_band_is_no_drift(standing: System) -> None:
    standing.vault().put_secret_value(SecretId=f"web-next-{standing.stack}/SLACK_WEBHOOK_URL", SecretString=PLANTED)
    standing.pulumi("refresh", "--preview-only", "--expect-no-changes")
    assert changed(standing) == set()
    assert standing.secret("SLACK_WEBHOOK_URL") == PLANTED


def test_a_retention_changes_the_schema_and_the_record_alone_and_schedules_its_job(standing: System) -> None:
    standing.set("auditRetentionMonths", "24")
    assert changed(standing) == {"schema", "deployment"}
    standing.update()
    assert "audit-retention" in jobs(standing)


def test_a_job_that_somebody_removed_is_drift_and_is_put_back(standing: System) -> None:
    url = standing.secret("AUDIT_DB_OWNER_URL")
    with psycopg.connect(url, dbname="postgres", autocommit=True) as owner:
        owner.execute("SELECT cron.unschedule('audit-partitions')")
    assert "audit-partitions is missing" in migrate(standing, "verify", code=7).text
    standing.pulumi("refresh", "--preview-only", "--expect-no-changes", code=7)
    assert ":Schema schema updated" in standing.update("--refresh").text
    migrate(standing, "verify")


def test_without_its_database_an_update_is_refused_before_anything_changes(standing: System) -> None:
    database = standing.container("audit")
    before = standing.state_text()
    standing.set("retentionDays", "31")
    database.stop(timeout=5)
    try:
        done = standing.up(code=8)
    finally:
        database.start()
        standing.unset("retentionDays")
    assert f"the audit database at {standing.outputs()['audit_db_endpoint']} does not answer" in done.last_line
    assert standing.state_text() == before


def test_every_problem_of_the_settings_and_the_migrations_is_refused_at_once(standing: System) -> None:
    twice = standing.folder / "migrations" / "001_again.sql"
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
    before = touched(standing)
    for key, value in wrong.items():
        standing.set(key, value)
    try:
        done = standing.up(code=1)
    finally:
        twice.unlink()
        for key in wrong:
            standing.unset(key)
    for text in ("Not_A_Bucket", "retentionDays", "db.m7g.tiny", "overlaps network.appSubnets[0]", "001_again.sql"):
        assert text in done.last_line
    assert touched(standing) == before


def test_without_a_retention_its_job_is_gone(standing: System) -> None:
    standing.set("mayDestroy", [])  # what the next test needs, in the same update
    standing.unset("auditRetentionMonths")
    standing.update()
    assert "audit-retention" not in jobs(standing)


def test_what_holds_data_is_not_destroyed_or_replaced_until_it_is_named(standing: System) -> None:
    before = standing.state_text()
    standing.set("evidenceBucket", f"evidence-{standing.stack}-anew")
    try:
        replaced = standing.up(code=1)
    finally:
        standing.unset("evidenceBucket")
    assert "evidence is protected" in replaced.last_line
    assert "web-next:mayDestroy" in replaced.last_line
    assert standing.state_text() == before, "a refused update changes nothing"

    destroyed = standing.pulumi("destroy", "--yes", code=None)
    assert destroyed.code != 0
    assert "protect" in destroyed.text
    assert standing.state_text() == before, "a refused destroy destroys nothing"

    kept = {each["urn"].rsplit("::", 1)[-1] for each in standing.resources() if each.get("protect")}
    assert {"audit", "evidence", "records", "vault", "audit_owner", "audit-roles", "AUDIT_DB_URL"} <= kept


def test_a_planted_secret_is_found_nowhere_but_in_the_vault(standing: System) -> None:
    assert standing.secret("SLACK_WEBHOOK_URL") == PLANTED
    urls = ("AUDIT_DB_MASTER_URL", "AUDIT_DB_OWNER_URL", "AUDIT_DB_URL", "AUDIT_DB_READER_URL", "REDIS_URL")
    planted = {PLANTED, standing.secret("EXECUTOR_TOKEN")}
    planted |= {str(urlsplit(standing.secret(name)).password) for name in urls}
    assert len(planted) == 7
    standing.set("mayDestroy", ["audit", "evidence", "records", "vault"])
    standing.set("version", "1.5.9")
    printed = {
        "preview": standing.pulumi("preview", "--diff").text,
        "up": standing.up("--refresh").text,
        "outputs": standing.run(sys.executable, "-m", "cutover", "outputs", "-s", standing.stack).text,
        "export": standing.pulumi("stack", "export").text,
        "history": standing.pulumi("stack", "history", "--json").text,
        "migrate": migrate(standing, "status").text,
    }
    places = {**printed, "state": standing.state_text()}
    reports = [path for path in (standing.folder / ".local" / "smoke").rglob("*") if path.is_file()]
    places["reports"] = "".join(path.read_text(errors="replace") for path in reports)
    engine = docker.from_env()
    for container in engine.containers.list(all=True, filters={"label": standing.machine.label}):
        places[f"{container.name}: settings"] = json.dumps(container.attrs)
        places[f"{container.name}: log"] = container.logs().decode(errors="replace")
        if container.status == "running":
            environments = "for each in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $each; done; printenv"
            places[f"{container.name}: environment"] = container.exec_run(["sh", "-c", environments]).output.decode()
            image = container.image
            places[f"{container.name}: image"] = json.dumps([image.attrs, image.history()])
    assert sum(name.endswith(": environment") for name in places) == 9, (
        "the service's three, edge, what measures and watches, and data"
    )
    for place, text in places.items():
        assert text.strip() or place.endswith(": log"), f"nothing to look at in {place}"
        assert not [one for one in planted if one in text], f"a secret is in {place}"
    assert not [each for each in standing.resources() if each.get("protect")], "all of it is named"
