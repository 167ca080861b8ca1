"""The verdict follows what really runs: NO-GO while something is broken, GO once it is repaired, then quiet.

The tests tell one story and run in order, on one system.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import docker
import httpx
import pytest

from tests.support.system import System, wait_for

pytestmark = pytest.mark.e2e


def test_a_first_up_without_the_limiter_is_a_no_go_and_records_nothing(system: System) -> None:
    system.template(lambda text: text.replace("limit_req zone={{ zone }}", "# limit_req zone={{ zone }}"))

    done = system.up(code=3)

    assert "PASS     Health" in done.text
    assert "FAIL     Rate limit" in done.text
    assert "NO-GO" in done.last_line
    assert "deployment_record" not in system.pulumi("stack", "output", "--json").text


def test_once_the_limiter_is_back_the_next_up_is_a_go(system: System) -> None:
    system.template(lambda text: text.replace("# limit_req zone={{ zone }}", "limit_req zone={{ zone }}"))

    done = system.up()

    assert done.verdict.startswith("GO  web-next")
    assert "NO-GO" not in done.text


def test_a_newcomers_first_alert_is_delivered_to_the_stacks_own_receiver(system: System) -> None:
    headers, answer = {"x-trace-id": "newcomer-0001"}, f"{system.executor}/alerts/received?traceId=newcomer-0001"
    taken = httpx.post(
        f"{system.app}/api/alerts/webhook", json={"title": "hello"}, headers=headers, timeout=10, trust_env=False
    )
    assert (taken.status_code, taken.json()["_mock"]) == (202, False)
    wait_for(lambda: bool(httpx.get(answer, timeout=10, trust_env=False).json()["items"]))
    (message,) = httpx.get(answer, timeout=10, trust_env=False).json()["items"]
    assert (message["taken"], message["text"]) == (True, "*hello*\ntrace newcomer-0001")


def test_then_there_is_nothing_to_change_and_the_world_matches_the_state(system: System) -> None:
    system.pulumi("preview", "--expect-no-changes")
    system.pulumi("refresh", "--preview-only", "--expect-no-changes")


def test_a_change_while_postgres_is_away_is_a_no_go_that_names_it(system: System) -> None:
    database = system.container("audit")
    database.pause()
    system.set("version", "1.5.2")
    try:
        done = system.up(code=3)
    finally:
        database.unpause()
    assert "FAIL     Audit Postgres" in done.text
    assert "PASS     Rate limit" in done.text
    assert "Audit Postgres" in done.text


def test_once_postgres_is_back_the_next_up_tries_again_and_is_a_go_with_the_change(system: System) -> None:
    done = system.up()
    assert done.verdict.startswith("GO  web-next 1.5.2")
    assert system.outputs()["release"]["version"] == "1.5.2"


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


def test_the_edge_is_published_on_loopback_only(system: System) -> None:
    bindings = [each for ports in system.container("edge").ports.values() for each in ports or []]
    assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}
    for part in ("stable", "worker", "executor"):
        assert not [ports for ports in system.container(part).ports.values() if ports]


def test_the_edge_presents_the_certificate_of_the_local_authority(system: System) -> None:
    url = system.outputs()["edge_url"]
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(url, trust_env=False)


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


def test_a_migration_that_fails_leaves_nothing_behind_and_the_next_up_goes_on(system: System) -> None:
    count = len(list((system.folder / "migrations").glob("*.sql")))
    broken = system.folder / "migrations" / f"{count + 1:03}_broken.sql"
    broken.write_text("CREATE TABLE half (id int); SELECT no_such_function();")
    try:
        done = system.up(code=7)
    finally:
        broken.unlink()
    assert f"{broken.name} failed and was rolled back" in done.last_line
    assert "no_such_function" in done.last_line
    system.pulumi("up", "--yes", "--skip-preview", "--refresh")
    wait_for(system.well)


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
