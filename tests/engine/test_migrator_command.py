"""`cutover migrate` on a real Postgres: what people and machines read, exit codes, nothing secret."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cutover.commands.app import main
from cutover.schema import access
from cutover.stacks import outputs
from cutover.stacks.outputs import Outputs
from tests.support.containers import free_port
from tests.support.postgres import PASSWORD, WRITER, Database

pytestmark = pytest.mark.engine

Command = Callable[..., tuple[int, str, str]]
FILES = sorted(path.name for path in (Path(__file__).parents[2] / "migrations").glob("*.sql"))
ALONE = {"007_audit_trace_newest.sql"}


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `cutover migrate`; returns its exit code, stdout and stderr, after looking for the password in them."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["migrate", *arguments])
        out, err = capsys.readouterr()
        assert PASSWORD not in out + err
        return code, out, err

    return run


@pytest.fixture
def stack(database: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The output audit_db_access of a stack whose vault holds the owner's URL; tests may change it."""
    output: dict[str, Any] = {
        "mode": "direct",
        "endpoint": f"{database.server.host}:5432",
        "secret_arn": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:AUDIT_DB_OWNER_URL",
        "region": "eu-central-1",
        "emulator": "http://127.0.0.1:1",  # so that no authority of RDS is asked for
        "bastion": None,
        "local_port": None,
        "retention_months": 13.0,
    }

    def of(name: str) -> Outputs:
        assert name == "local"
        return Outputs(name, {"audit_db_access": output})

    monkeypatch.setattr(outputs, "outputs", of)
    monkeypatch.setattr(
        access, "secret_value", lambda arn, **_: database.owner_url if arn == output["secret_arn"] else ""
    )
    return output


def test_a_database_named_by_a_file_is_planned_applied_verified_and_shown(
    command: Command, database: Database, tmp_path: Path
) -> None:
    where = ("--url-file", str(database.url_file(tmp_path)))

    planned = "".join(f"  apply    {file}{', in no transaction' if file in ALONE else ''}\n" for file in FILES)
    assert command("plan", *where) == (0, planned, "")
    code, out, _ = command("verify", *where)
    assert (code, "  001_audit_log.sql is not applied\n" in out) == (7, True)
    code, out, _ = command("apply", *where)
    assert (code, [line.split()[:2] for line in out.splitlines()]) == (0, [[file, "applied"] for file in FILES])
    assert command("apply", *where) == (0, "  nothing to do\n", "")
    assert command("plan", *where) == (0, "  nothing to do\n", "")
    assert command("verify", *where) == (0, "  the database is what its migrations promise\n", "")
    code, out, _ = command("status", *where)
    assert (code, [line.split()[:2] for line in out.splitlines()]) == (0, [["applied", file] for file in FILES])


def test_machines_get_json(command: Command, stack: dict[str, Any]) -> None:
    where = ("-s", "local", "--json")

    def answer(action: str, code: int = 0) -> Any:
        ended, out, _ = command(action, *where)
        assert ended == code
        return json.loads(out)

    assert answer("plan") == {"pending": FILES, "repairs": []}
    assert answer("verify", 7)["ok"] is False
    assert answer("status")["pending"] == FILES
    applied = answer("apply")
    assert applied["applied"] == FILES
    assert applied["scheduled"] == [
        *("audit-partitions", "audit-idempotency", "alert-outbox", "upkeep-history", "audit-retention")
    ]
    assert answer("apply") == {"applied": [], "scheduled": [], "log": []}
    assert answer("verify") == {"ok": True, "differences": []}
    found = answer("status")
    assert (found["version"], found["pending"], found["upkeep"]["runway"]) == (len(FILES), [], 12)
    assert [job["name"] for job in found["upkeep"]["jobs"]] == [
        "alert-outbox",
        "audit-idempotency",
        "audit-partitions",
        "audit-retention",
        "upkeep-history",
    ]


def test_a_stacks_status_shows_runway_and_jobs(command: Command, stack: dict[str, Any]) -> None:
    assert command("apply", "-s", "local")[0] == 0
    code, out, _ = command("status", "-s", "local")
    assert code == 0
    assert "  runway   12 months ahead have a partition\n" in out
    assert "  job      audit-partitions   7 * * * *   has not run yet\n" in out


def test_verify_of_a_stack_looks_at_its_jobs(command: Command, stack: dict[str, Any]) -> None:
    command("apply", "-s", "local")
    stack["retention_months"] = None

    code, out, err = command("verify", "-s", "local")
    assert (code, out) == (7, "  job audit-retention is not as it should be: migrate apply mends it\n")
    assert err == "cutover: the database differs from its migrations in 1 point, listed above\n"


def test_a_tunnel_is_where_this_machines_end_of_it_is(
    command: Command, stack: dict[str, Any], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = socket.create_server(("127.0.0.1", 0))  # this machine's end of a tunnel that leads nowhere
    port = server.getsockname()[1]

    def hang_up() -> None:
        with suppress(OSError):  # the test closes it when the command has ended
            while True:
                server.accept()[0].close()

    threading.Thread(target=hang_up, daemon=True).start()
    stack |= {"mode": "tunnel", "local_port": float(port)}
    code, _, err = command("plan", "-s", "local")
    server.close()
    assert code == 8
    assert err.startswith("cutover: the audit database does not answer: ")
    assert err.count("\n") == 1
    assert f'"127.0.0.1", port {port}' in err

    monkeypatch.setattr(access.AuditDatabase, "address", (database.server.host, 5432))
    monkeypatch.setattr(access, "listens", lambda *_: True)
    assert command("plan", "-s", "local")[0] == 0


def test_a_database_where_nothing_listens_is_out_of_reach(command: Command, stack: dict[str, Any]) -> None:
    stack["endpoint"] = f"127.0.0.1:{free_port()}"

    code, out, err = command("plan", "-s", "local")
    assert (code, out) == (8, "")
    assert err.startswith(f"cutover: the audit database at {stack['endpoint']} does not answer, ")


@pytest.mark.parametrize("action", ["plan", "apply", "verify", "status"])
def test_a_database_put_off_is_refused_in_one_line(command: Command, stack: dict[str, Any], action: str) -> None:
    stack["mode"] = "later"

    code, out, err = command(action, "-s", "local")
    assert (code, out) == (7, "")
    assert err.startswith("cutover: web-next:database.access is later")


@pytest.mark.parametrize("action", ["plan", "apply", "verify", "status"])
def test_a_role_without_rights_is_refused_in_one_line(
    command: Command, database: Database, tmp_path: Path, action: str
) -> None:
    command("apply", "--url-file", str(database.url_file(tmp_path)))
    file = tmp_path / "writer-url"
    file.write_text(database.server.url(WRITER, database.name))

    assert command(action, "--url-file", str(file)) == (
        7, "", "cutover: the audit database refused: permission denied for schema cutover\n"
    )  # fmt: skip
