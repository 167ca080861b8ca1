"""The playbook's own commands against a stack that really runs, verbatim but for the host."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import docker
import httpx
import pytest
import redis

from tests.support.system import System

pytestmark = pytest.mark.e2e

HOST = "localhost:3003"


def run(system: System, command: str) -> str:
    """Runs one of the playbook's commands; the only change is where the app is."""
    assert HOST in command
    done = subprocess.run(
        ["bash", "-c", command.replace(HOST, system.app.removeprefix("http://"))],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def ask(system: System, command: str) -> dict[str, Any]:
    return dict(json.loads(run(system, command)))


def test_health(standing: System) -> None:
    health = ask(standing, "curl -s http://localhost:3003/api/healthz")

    assert {"ok", "buildSha", "environment", "uptimeSec", "version", "checks"} <= health.keys()
    assert health["ok"] is True
    assert health["buildSha"] == standing.outputs()["release"]["build_sha"]
    assert {"memory", "uptime"} <= health["checks"].keys()
    adapters = {name: check for name, check in health["checks"].items() if "adapter" in check}
    assert adapters == {name: {"ok": True, "adapter": "production"} for name in adapters}
    assert set(adapters) == {"audit", "evidence", "queue", "guardrails"}


def test_audit_write_then_read(standing: System) -> None:
    pushed = ask(
        standing,
        "curl -s -X POST http://localhost:3003/api/audit/push -H 'Content-Type: application/json' "
        """-d '{"action":"smoke_test","result":"ok","strategyId":"s-01","details":"cutover"}'""",
    )
    listed = ask(standing, """curl -s -X POST http://localhost:3003/api/audit/list -d '{"limit":5}'""")

    assert pushed == {"ok": True, "id": pushed["id"]}
    assert listed["_mock"] is False
    newest = listed["items"][0]
    assert (newest["id"], newest["action"], newest["details"]) == (pushed["id"], "smoke_test", "cutover")


def test_evidence_zip_is_put_fetched_and_archived(standing: System) -> None:
    granted = ask(
        standing,
        "curl -s -X POST http://localhost:3003/api/evidence/zip -H 'Content-Type: application/json' "
        """-d '{"runId":"smoke-run"}'""",
    )
    assert {"ok", "uploadUrl", "downloadUrl", "key", "expiresAt", "_mock"} == granted.keys()
    assert (granted["ok"], granted["_mock"]) == (True, False)
    assert granted["key"].startswith("evidence/smoke-run/")

    content = b"PK\x05\x06" + bytes(18)
    put = httpx.put(granted["uploadUrl"], content=content, headers={"content-type": "application/zip"})
    assert put.status_code == 200, put.text
    assert httpx.get(granted["downloadUrl"]).content == content
    assert httpx.get(granted["uploadUrl"]).status_code == 403
    archived = ask(
        standing,
        f"""curl -s -X POST http://localhost:3003/api/evidence/archive -d '{{"key":"{granted["key"]}"}}'""",
    )
    assert (archived["ok"], archived["sizeBytes"], archived["_mock"]) == (True, len(content), False)


def test_queue_counts_a_webhook_and_an_invalid_action(standing: System) -> None:
    counts = ask(standing, "curl -s http://localhost:3003/api/alerts/queue")
    assert {"pending", "dlq"} <= counts.keys()
    assert counts["_mock"] is False
    assert "_err" not in counts

    taken = run(
        standing,
        "curl -s -o /dev/null -w '%{http_code}' -X POST http://localhost:3003/api/alerts/webhook "
        """-d '{"title":"cutover","severity":"info"}'""",
    )
    assert taken == "202"
    purged = ask(standing, """curl -s -X POST http://localhost:3003/api/alerts/queue -d '{"action":"purge_dlq"}'""")
    assert (purged["ok"], purged["action"]) == (True, "purge_dlq")
    refused = run(
        standing,
        "curl -s -w '%{http_code}' -X POST http://localhost:3003/api/alerts/queue -d '{\"action\":\"nonsense\"}'",
    )
    assert refused.endswith("400")
    assert json.loads(refused.removesuffix("400"))["_err"] == "invalid action"


def test_ping_is_answered_and_the_queues_keys_are_there(standing: System) -> None:
    trust = str(standing.folder / ".local" / "tls" / "ca.pem")
    with redis.Redis.from_url(standing.secret("REDIS_URL"), ssl_ca_certs=trust) as client:
        assert client.ping()
        assert client.keys("bull:alerts:*")


def test_guardrails(standing: System) -> None:
    read = ask(standing, "curl -s http://localhost:3003/api/guardrails/read")

    assert read["_mock"] is False
    assert read["thresholds"]["maxDrawdown"] == 0.15
    assert "lastBreach" in read


def test_snapshot_export(standing: System) -> None:
    lines = run(
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
    head = run(standing, "curl -s -I http://localhost:3003/dashboard -H 'X-Trace-ID: playbook-1234'").lower()

    for header in (
        "x-content-type-options: nosniff",
        "x-frame-options: deny",
        "strict-transport-security: max-age=31536000",
        "content-security-policy: ",
        "x-trace-id: playbook-1234",
    ):
        assert header in head
    assert f"connect-src 'self' {standing.executor}" in head


def test_printenv_shows_no_secret_in_any_container(standing: System) -> None:
    containers = docker.from_env().containers.list(filters={"label": standing.machine.label})
    assert len(containers) == 8, "app, worker, executor, edge, log reader, Prometheus, Postgres and Redis"
    for container in containers:
        acceptance = "printenv | grep -E '(KEY|SECRET|PASSWORD)' | wc -l"
        assert container.exec_run(["sh", "-c", acceptance]).output.decode().strip() == "0", container.name
        everything = "for each in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $each; done; printenv"
        values = container.exec_run(["sh", "-c", everything]).output.decode()
        assert not re.search(r"[a-z]+://[^\s/@]*:[^\s/@]+@", values), f"{container.name}: a value holds credentials"
