"""One system from nothing to nothing, as a person meets it: what is refused gets one clear line and leaves the state
intact; the verdict is NO-GO while something is broken and GO once it is repaired.

The tests tell one story and run in order, on one system.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import docker
import httpx
import pytest

from tests.support.system import Done, System, candidate_of, wait_for

pytestmark = pytest.mark.e2e

LIMIT = "limit_req zone={{ zone }}"


def pulumi_processes(parent: int) -> list[int]:
    """The CLI processes that a process has started, each in a session of its own."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            is_cli = entry.name.isdigit() and (entry / "comm").read_text().strip() == "pulumi"
            if is_cli and int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_outputs_of_a_stack_that_was_never_brought_up_are_one_line(system: System) -> None:
    done = system.run("python", "-m", "cutover", "outputs", "-s", system.stack, code=5)
    assert done.last_line.endswith(f"bring it up first, cutover up -s {system.stack}")


def test_an_unknown_setting_is_refused_with_the_closest_key_and_nothing_is_created(system: System) -> None:
    system.set("retentionDay", "30")
    system.set("edge", {"burst": -1})
    done = system.up(code=1)
    system.unset("retentionDay")
    system.unset("edge")
    assert "web-next:retentionDay: unknown key; did you mean 'retentionDays'?" in done.last_line
    assert "web-next:edge.burst = -1" in done.last_line
    assert "Traceback" not in done.text
    assert system.resources() == []


def test_without_its_base_a_candidate_is_refused_in_one_line(system: System) -> None:
    candidate = candidate_of(system)
    done = candidate.up(code=None)

    assert done.code != 0
    assert f"base {system.stack}" in done.last_line
    assert "Traceback" not in done.text


def test_a_wrong_passphrase_is_one_line_and_leaves_the_state_as_it_was(system: System) -> None:
    before = system.state_text()
    (system.folder / "passphrase").write_text("another")
    done = system.up(code=6)
    (system.folder / "passphrase").write_text(system.passphrase)
    assert "passphrase" in done.last_line
    assert "Traceback" not in done.text
    assert system.state_text() == before


def test_a_cli_killed_in_the_middle_of_up_leaves_a_lock(system: System) -> None:
    lines: list[str] = []
    with system.start(*system.up_command) as running:
        assert running.stdout
        for line in running.stdout:
            lines.append(line)
            if "aws:kms:Key" in line:
                break
        killed = pulumi_processes(running.pid)
        for process in killed:
            os.kill(process, signal.SIGKILL)
        running.communicate(timeout=60)
    assert killed, f"no CLI was running after: {''.join(lines)}"
    assert running.returncode != 0
    assert list(system.locks), "the killed run left no lock, so it was not killed in the middle"


def test_the_next_up_removes_the_lock_and_names_a_port_that_is_taken_in_one_line(system: System) -> None:
    port = system.setting("machine")["edgePort"]
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        done = system.up(code=1)
    assert "lock of a run that was killed is removed" in done.text
    assert f"127.0.0.1:{port}" in done.last_line
    assert "already" in done.last_line
    assert "Traceback" not in done.text


@pytest.fixture(scope="module")
def first(system: System) -> tuple[Done, Done]:
    """The first up that gets to its end, of an edge without the limiter, and another that was begun meanwhile."""
    system.template(lambda text: text.replace(LIMIT, f"# {LIMIT}"))
    with system.start(*system.up_command, "--refresh") as running:
        wait_for(lambda: bool(system.locks))
        other = system.up(code=None)
        text, _ = running.communicate(timeout=200)
    return Done(running.returncode, text), other


def test_a_first_up_without_the_limiter_is_a_no_go_and_records_nothing(
    system: System, first: tuple[Done, Done]
) -> None:
    done, _ = first

    assert done.code == 3
    assert "PASS     Health" in done.text
    assert "FAIL     Rate limit" in done.text
    assert "NO-GO" in done.last_line
    assert "deployment_record" not in system.pulumi("stack", "output", "--json").text


def test_its_lock_is_respected_and_what_the_killed_run_had_begun_is_settled(
    system: System, first: tuple[Done, Done]
) -> None:
    _, other = first

    assert other.code == 4
    assert f"stack {system.stack} is being changed by process" in other.last_line
    assert "pending_operations" not in system.pulumi("stack", "export").text.replace('"pending_operations": null', "")


def test_a_migration_that_fails_is_named_and_leaves_nothing_behind(system: System) -> None:
    count = len(list((system.folder / "migrations").glob("*.sql")))
    broken = system.folder / "migrations" / f"{count + 1:03}_broken.sql"
    broken.write_text("CREATE TABLE half (id int); SELECT no_such_function();")
    try:
        done = system.up(code=7)
    finally:
        broken.unlink()
    assert f"{broken.name} failed and was rolled back" in done.last_line
    assert "no_such_function" in done.last_line
    with system.connect("AUDIT_DB_OWNER_URL") as owner:
        assert owner.execute("SELECT to_regclass('half')").fetchone() == (None,)


def test_with_the_limiter_back_and_postgres_away_the_next_is_a_no_go_that_names_postgres_alone(system: System) -> None:
    system.template(lambda text: text.replace(f"# {LIMIT}", LIMIT))
    database = system.container("audit")
    database.pause()
    system.set("version", "1.5.2")
    try:
        done = system.up(code=3)
    finally:
        database.unpause()
    assert "FAIL     Audit Postgres" in done.text
    assert "PASS     Rate limit" in done.text


def test_once_postgres_is_back_the_next_up_tries_again_and_is_a_go_with_the_change(system: System) -> None:
    done = system.up()

    assert done.verdict.startswith("GO  web-next 1.5.2")
    assert "NO-GO" not in done.text
    assert system.outputs()["release"]["version"] == "1.5.2"


def test_a_newcomers_first_alert_is_delivered_to_the_stacks_own_receiver(system: System) -> None:
    headers, answer = {"x-trace-id": "newcomer-0001"}, f"{system.executor}/alerts/received?traceId=newcomer-0001"
    taken = httpx.post(
        f"{system.app}/api/alerts/webhook", json={"title": "hello"}, headers=headers, timeout=10, trust_env=False
    )
    assert (taken.status_code, taken.json()["_mock"]) == (202, False)
    wait_for(lambda: bool(httpx.get(answer, timeout=10, trust_env=False).json()["items"]))
    (message,) = httpx.get(answer, timeout=10, trust_env=False).json()["items"]
    assert (message["taken"], message["text"]) == (True, "*hello*\ntrace newcomer-0001")


def test_a_target_that_is_none_is_refused_in_a_line(system: System) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cutover", "smoke", "--target", "-", "--json"],
        cwd=system.folder,
        env=system.environment,
        input=json.dumps({"stack": system.stack}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "target - is no deployment record" in done.stderr


@pytest.mark.parametrize(("end", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_that_is_ended_leaves_a_report_of_what_ran(system: System, end: signal.Signals, code: int) -> None:
    process = system.start(sys.executable, "-m", "cutover", "smoke", "-s", system.stack)
    assert process.stdout is not None
    try:
        assert any("smoke    1 of " in line for line in process.stdout), "it ended before its first check"
    finally:
        os.killpg(process.pid, end)
        process.communicate(timeout=30)

    assert process.returncode == code
    kept = system.folder / ".local" / "smoke" / system.stack
    report = json.loads((kept / "report.json").read_text())
    outcomes = [finding["outcome"] for finding in report["findings"]]
    assert "pass" in outcomes
    assert "not run" in outcomes
    assert report["decision"]["verdict"] == "NO-GO"
    assert "NO-GO" in (kept / "report.txt").read_text()
    assert (kept / "samples.jsonl").read_text().count("\n") >= 1


def test_the_outputs_carry_the_names_of_the_contract(system: System) -> None:
    outputs = system.outputs()
    assert set(outputs) == {
        "audit_db_access",
        "audit_db_endpoint",
        "deployment_record",
        "edge_url",
        "egress_addresses",
        "evidence_bucket",
        "evidence_policy_role",
        "evidence_region",
        "flags_parameters",
        "metrics_url",
        "records_bucket",
        "redis_endpoint",
        "release",
        "schema",
        "smoke_target",
        "slots",
        "traffic",
        "vault",
    }
    assert outputs["schema"]["version"] == len(list((system.folder / "migrations").glob("*.sql")))


def test_an_edited_migration_is_refused_by_name_and_changes_nothing(system: System) -> None:
    migration = system.folder / "migrations" / "001_audit_log.sql"
    original, before = migration.read_bytes(), system.state_text()
    migration.write_bytes(original + b"-- one more line\n")
    try:
        done = system.up(code=7)
    finally:
        migration.write_bytes(original)
    assert "001_audit_log.sql was edited after it was applied" in done.last_line
    assert "Traceback" not in done.last_line
    assert system.state_text() == before


def test_a_changed_limit_changes_the_edge_and_nothing_below_it(system: System) -> None:
    system.set("edge", {"ratePerMinute": 120})
    try:
        events = system.pulumi("preview", "--json").text
    finally:
        system.unset("edge")
    changed = {
        step["urn"].rsplit("::", 1)[-1] for step in json.loads(events)["steps"] if step["op"] not in ("same", "read")
    }
    assert changed == {"edge", "deployment"}


def test_a_destroy_leaves_nothing_that_runs_or_is_kept(system: System) -> None:
    system.pulumi("destroy", "--yes", "--skip-preview")

    engine = docker.from_env()
    mine = {"label": system.machine.label}
    assert engine.containers.list(all=True, filters=mine) == []
    assert engine.volumes.list(filters=mine) == []
    assert system.resources() == []
