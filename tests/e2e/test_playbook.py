"""The playbook's own commands, typed as it writes them, against a stack that really runs.

Only hosts, names and credentials are the stack's. What goes to the app goes through the edge, TLS and limit included.
The tests are in the order of the playbook's rows and run on one system; its limit comes last, because it is used up.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import docker
import httpx
import pytest

from cutover.smoke.checks import trace_copy
from cutover.smoke.finding import Finding, Outcome
from cutover.smoke.probe import Probe
from outputs.smoke import SmokeTarget
from tests.support.system import System, wait_for

pytestmark = pytest.mark.e2e

APP = "http://localhost:3003"


def typed(system: System, command: str, **secrets: str) -> str:
    """What a command prints in a shell where curl trusts the authority; `secrets` are variable → vault entry."""
    done = subprocess.run(
        ["bash", "-c", command.replace(APP, system.outputs()["edge_url"])],
        env={
            **os.environ,
            "CURL_CA_BUNDLE": authority(system),
            "AWS_ENDPOINT_URL": system.machine.emulator,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": system.machine.account,
            "AWS_SECRET_ACCESS_KEY": system.emulator.key.read_text(),
            **{variable: system.secret(entry) for variable, entry in secrets.items()},
        },
        cwd=system.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{command}: {done.returncode} {done.stderr}"
    return done.stdout


def asked(system: System, command: str) -> str:
    """What the app answers; the command is typed again while the edge limits."""
    answers: list[str] = []

    def passes() -> bool:
        answers.append(typed(system, command))
        return "rate limited" not in answers[-1] and answers[-1] != "429"

    wait_for(passes)
    return answers[-1]


def document(system: System, command: str) -> dict[str, Any]:
    return dict(json.loads(asked(system, command)))


def authority(system: System) -> str:
    return str(system.folder / ".local" / "tls" / "ca.pem")


# 1. Environment


def test_printenv_shows_no_secret_in_any_container(standing: System) -> None:
    containers = docker.from_env().containers.list(filters={"label": standing.machine.label})
    assert len(containers) == 9, "app, worker, executor, edge, log reader, Prometheus, watch, Postgres and Redis"
    for container in containers:
        acceptance = "printenv | grep -E '(KEY|SECRET|PASSWORD)' | wc -l"
        assert container.exec_run(["sh", "-c", acceptance]).output.decode().strip() == "0", container.name
        everything = "for each in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $each; done; printenv"
        values = container.exec_run(["sh", "-c", everything]).output.decode()
        assert not re.search(r"[a-z]+://[^\s/@]*:[^\s/@]+@", values), f"{container.name}: a value holds credentials"


# 2. Postgres


def psql(system: System, options: str, given: str = "/dev/null") -> str:
    """What psql prints, typed in the database's container by the owner of the schema; it reads a file that is given."""
    inside = (
        f"""docker exec -i -e AUDIT_DB_URL {system.container("audit").name} sh -c 'psql "$AUDIT_DB_URL" {options}'"""
    )
    return typed(system, f"{inside} < {given}", AUDIT_DB_URL="AUDIT_DB_OWNER_URL")


def test_the_audit_log_is_as_described(standing: System) -> None:
    described = psql(standing, r'-c "\d audit_log"')

    columns = re.findall(r"^ (\w+) +\| ([a-z ]+?) +\|", described, re.MULTILINE)
    assert columns == [
        ("id", "bigint"),
        ("ts", "timestamp with time zone"),
        ("action", "text"),
        ("result", "text"),
        ("strategy_id", "text"),
        ("trace_id", "text"),
        ("details", "jsonb"),
        ("actor", "text"),  # behind those that are described
    ]
    for line in (
        "Partition key: RANGE (ts)",
        '"idx_audit_ts" btree (ts DESC)',
        '"idx_audit_action" btree (action)',
        '"idx_audit_trace" btree (trace_id)',
    ):
        assert line in described
    assert f"audit_log_{time.strftime('%Y_%m', time.gmtime())} | table" in re.sub(
        " +", " ", psql(standing, r'-c "\dt audit_log_*"')
    )


def test_the_first_migration_again_changes_nothing_of_the_table(standing: System) -> None:
    """Taken back, because it puts back a function that a later migration has replaced."""
    table = r'-c "\d+ audit_log"'
    described = psql(standing, table)

    again = psql(standing, f"-v ON_ERROR_STOP=1 -c BEGIN -f - {table} -c ROLLBACK", "migrations/001_audit_log.sql")

    assert again.startswith("BEGIN\nCREATE TABLE\nCREATE INDEX\nCREATE INDEX\nCREATE INDEX\n")
    assert described in again


# 3. S3


def test_the_evidence_bucket_can_be_listed_and_empties_after_30_days(standing: System) -> None:
    bucket = standing.outputs()["evidence_bucket"]
    if shutil.which("aws"):
        typed(standing, f"aws s3 ls s3://{bucket}/")
        printed = typed(standing, f"aws s3api get-bucket-lifecycle-configuration --bucket {bucket}")
        rules = json.loads(printed)["Rules"]
    else:
        s3 = standing.client("s3")
        s3.list_objects_v2(Bucket=bucket)
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]

    evidence = {rule["ID"]: rule for rule in rules}["evidence-retention-30d"]
    assert evidence["Status"] == "Enabled"
    assert evidence["Filter"]["Prefix"] == "evidence/"
    assert evidence["Expiration"]["Days"] == 30


# 4. Redis and the alerts, whose webhook comes first


def redis(system: System, command: str) -> str:
    """What redis-cli prints, typed in Redis' container, which reads the authority from its input."""
    cli = f"""redis-cli -u "rediss://default${{REDIS_URL#rediss://}}" --cacert /dev/stdin {command}"""
    inside = f"docker exec -i -e REDIS_URL {system.container('queues').name} sh -c '{cli}' < {authority(system)}"
    return typed(system, inside, REDIS_URL="REDIS_URL")


def test_a_webhook_is_taken_and_its_keys_are_in_redis(standing: System) -> None:
    webhook = (
        "curl -s -o /dev/null -w '%{http_code}' -X POST http://localhost:3003/api/alerts/webhook "
        """-d '{"title":"cutover","severity":"info"}'"""
    )

    assert asked(standing, webhook) == "202"
    assert redis(standing, "PING") == "PONG\n"
    assert "bull:alerts:deliver:" in redis(standing, 'KEYS "bull:alerts:*"')


# 6. The app's contract, and 7, the smoke pack


def test_health(standing: System) -> None:
    health = document(standing, "curl -s http://localhost:3003/api/healthz")

    assert {"ok", "buildSha", "environment", "uptimeSec", "version", "checks"} <= health.keys()
    assert health["ok"] is True
    assert health["buildSha"] == standing.outputs()["release"]["build_sha"]
    assert {"memory", "uptime"} <= health["checks"].keys()
    adapters = {name: check for name, check in health["checks"].items() if "adapter" in check}
    assert adapters == {name: {"ok": True, "adapter": "production"} for name in adapters}
    assert set(adapters) == {"audit", "evidence", "queue", "guardrails"}


@pytest.mark.parametrize(
    ("kind", "timestamp"),
    [
        ("", "$(date +%s)000"),
        ("-H 'Content-Type: application/json'", r"\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\""),
    ],
    ids=["as a form, in milliseconds", "as JSON, as a date"],
)
def test_audit_write_then_read(standing: System, kind: str, timestamp: str) -> None:
    pushed = document(
        standing,
        f"curl -s -X POST http://localhost:3003/api/audit/push {kind} "
        rf'-d "{{\"action\":\"smoke_test\",\"result\":\"ok\",\"strategyId\":\"s-01\",\"timestamp\":{timestamp},'
        r'\"traceId\":\"smoke-$(date +%s)\",\"details\":\"cutover\"}"',
    )
    listed = document(standing, """curl -s -X POST http://localhost:3003/api/audit/list -d '{"limit":5}'""")

    assert pushed == {"ok": True, "id": pushed["id"]}
    assert listed["_mock"] is False
    assert len(listed["items"]) <= 5
    newest = listed["items"][0]
    assert (newest["id"], newest["action"], newest["strategyId"]) == (pushed["id"], "smoke_test", "s-01")
    assert re.fullmatch(r"smoke-\d{10}", newest["traceId"])
    assert newest["details"]["text"] == "cutover"
    assert str(newest["details"]["clientTimestamp"])[:2] in ("17", "18", "20"), "the caller's own time is kept"


def test_evidence_zip_is_put_fetched_and_archived(standing: System) -> None:
    granted = document(
        standing,
        "curl -s -X POST http://localhost:3003/api/evidence/zip -H 'Content-Type: application/json' "
        """-d '{"runId":"smoke-run"}'""",
    )
    assert {"ok", "uploadUrl", "downloadUrl", "key", "expiresAt", "_mock"} == granted.keys()
    assert (granted["ok"], granted["_mock"]) == (True, False)
    assert granted["key"].startswith("evidence/smoke-run/")

    content = b"PK\x05\x06" + bytes(18)
    signed = {"content-type": "application/zip", "if-none-match": "*"}
    put = httpx.put(granted["uploadUrl"], content=content, headers=signed, trust_env=False)
    assert put.status_code == 200, put.text
    assert httpx.get(granted["downloadUrl"], trust_env=False).content == content
    assert httpx.get(granted["uploadUrl"], trust_env=False).status_code == 403
    archived = document(
        standing,
        f"""curl -s -X POST http://localhost:3003/api/evidence/archive -d '{{"key":"{granted["key"]}"}}'""",
    )
    assert (archived["ok"], archived["sizeBytes"], archived["_mock"]) == (True, len(content), False)


def test_the_queue_counts_retries_purges_and_refuses_any_other_action(standing: System) -> None:
    counts = document(standing, "curl -s http://localhost:3003/api/alerts/queue")
    assert {"pending", "dlq"} <= counts.keys()
    assert counts["_mock"] is False
    assert "_err" not in counts

    act = "curl -s -w '%{http_code}' -X POST http://localhost:3003/api/alerts/queue -d "
    retried = asked(standing, act + """'{"action":"retry","jobId":"no-such-job"}'""")
    assert retried.endswith("404")
    purged = asked(standing, act + """'{"action":"purge_dlq"}'""")
    assert purged.endswith("200")
    assert json.loads(purged.removesuffix("200"))["action"] == "purge_dlq"
    refused = asked(standing, act + """'{"action":"nonsense"}'""")
    assert refused.endswith("400")
    assert json.loads(refused.removesuffix("400"))["_err"] == "invalid action"


def test_guardrails(standing: System) -> None:
    read = document(standing, "curl -s http://localhost:3003/api/guardrails/read")

    assert read["_mock"] is False
    assert read["thresholds"]["maxDrawdown"] == 0.15
    assert "lastBreach" in read


def test_snapshot_export(standing: System) -> None:
    lines = asked(
        standing,
        "curl -s -X POST http://localhost:3003/api/snapshot/export -H 'Content-Type: application/json' "
        """-d '{"format":"csv","hours":24}'""",
    ).splitlines()

    assert lines[0] == "# Spark Trading Platform - Snapshot Export"
    assert lines[1] == f"# Environment: {standing.stack}"
    assert lines[2] == f"# Build SHA: {standing.outputs()['release']['build_sha']}"
    assert re.fullmatch(r"# Exported At: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", lines[3])
    assert lines[4] == "# Period: 24 hours"
    assert any("smoke_test" in line for line in lines[5:])


def test_security_headers_and_the_trace_id(standing: System) -> None:
    head = typed(standing, "curl -s -I http://localhost:3003/dashboard -H 'X-Trace-ID: playbook-1234'").lower()

    for header in (
        "x-content-type-options: nosniff",
        "x-frame-options: deny",
        "strict-transport-security: max-age=0",  # it is localhost's, whose other ports are others'
        "content-security-policy: ",
        "x-trace-id: playbook-1234",
    ):
        assert header in head
    assert f"connect-src 'self' {standing.executor}" in head


def page_check(system: System, authority: str) -> Finding:
    """The smoke check of the page, under another authority where one is given."""
    deployed = SmokeTarget.from_output(system.outputs()["smoke_target"])
    aimed = replace(deployed, edge=replace(deployed.edge, authority=authority))
    return trace_copy.CHECK.run(Probe(http=httpx.Client(trust_env=False), target=aimed, clock=time.monotonic))


def test_a_trace_id_of_the_page_is_copied(standing: System) -> None:
    found = page_check(standing, authority(standing))

    assert found.outcome is Outcome.PASS, found.saw
    assert found.saw.startswith("copied and said so")


def test_the_page_is_not_opened_under_a_certificate_of_another_authority(standing: System) -> None:
    found = page_check(standing, str(standing.folder / ".local" / "tls" / "databases.pem"))

    assert found.outcome is Outcome.FAIL
    assert "certificate verify failed" in found.saw


def test_the_browser_trusts_no_key_but_the_verified_one(standing: System, monkeypatch: pytest.MonkeyPatch) -> None:
    another = base64.b64encode(bytes(32)).decode()
    monkeypatch.setattr(trace_copy, "verified_key", lambda _edge: another)
    found = page_check(standing, authority(standing))

    assert found.outcome is Outcome.FAIL
    assert "net::ERR_CERT_AUTHORITY_INVALID" in found.saw


# 5. nginx


def test_of_65_requests_as_fast_as_curl_sends_them_the_burst_and_a_second_each_pass(standing: System) -> None:
    """The playbook's 60 and 5 need its pace, 50 s: tests/engine/test_edge.py."""
    started = time.monotonic()
    once = "curl -s -o /dev/null -w '%{http_code}\\n' http://localhost:3003/api/healthz"
    codes = typed(standing, f"for i in $(seq 1 65); do {once}; done").split()
    seconds = time.monotonic() - started

    counted = Counter(codes)
    assert set(counted) == {"200", "429"}
    assert counted.total() == 65
    assert seconds - 2 <= counted["200"] <= 11 + seconds + 1
