"""The alert queues on a real Redis with TLS and tokens, and a real Postgres: accepted, delivered, dead, tried again."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support import executor as doubles
from tests.support.alerts import KEY, Process, Stack, alert_stack
from tests.support.collector import collecting
from tests.support.containers import wait_until
from tests.support.postgres import READER, WRITER
from webnext.alerts import redis
from webnext.alerts.letter import Letter
from webnext.alerts.queues import Queues
from webnext.dependency import AwayError

pytestmark = pytest.mark.engine

ALERT = {"title": "Drawdown", "severity": "critical", "text": "max drawdown is 0.19"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with alert_stack(tmp_path_factory.mktemp("alerts")) as made:
        yield made


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The stack with empty queues, an empty outbox, and a webhook that takes everything."""
    shared.reset()
    return shared


@pytest.fixture
def worker(stack: Stack, tmp_path: Path) -> Iterator[Process]:
    with stack.worker(tmp_path) as made:
        yield made


def with_app(stack: Stack, test: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    async def run() -> None:
        async with stack.app() as client:
            await test(client)

    asyncio.run(run())


def send(stack: Stack, *alerts: dict[str, Any], status: int = 202) -> list[dict[str, Any]]:
    """The answers to alerts sent to the application one after the other."""
    answers = []

    async def test(client: httpx.AsyncClient) -> None:
        for alert in alerts:
            answer = await client.post("/api/alerts/webhook", json=alert, headers={"X-Trace-ID": "trace-0001"})
            assert answer.status_code == status, answer.text
            answers.append(answer.json())

    with_app(stack, test)
    return answers


def queue(stack: Stack, **body: Any) -> httpx.Response:
    """The answer of /api/alerts/queue, to a GET without a body."""
    answers = []

    async def test(client: httpx.AsyncClient) -> None:
        path = "/api/alerts/queue"
        answers.append(await (client.post(path, json=body) if body else client.get(path)))

    with_app(stack, test)
    return answers[0]


def row(stack: Stack, job_id: str) -> tuple[Any, ...]:
    [found] = stack.postgres.rows(f"SELECT outcome, closed_at IS NOT NULL FROM alert_outbox WHERE id = '{job_id}'")
    return found


def dead(stack: Stack) -> list[str]:
    return list(stack.redis("LRANGE", "bull:alerts:dlq:wait", "0", "-1"))


async def bury(stack: Stack, *, again: bool = False) -> None:
    """Put one dead letter into dlq, or the same into deliver."""
    client = redis.client(stack.secrets.vault, stack.settings.redis_ca_file)
    letter = Letter("there", ALERT, "trace-0001", [], 5)
    await (Queues(client).enqueue(letter) if again else Queues(client).restore(letter))
    await client.connection_pool.aclose()


def test_a_delivery_is_a_span_in_the_trace_that_its_request_began(stack: Stack, tmp_path: Path) -> None:
    trace_id = secrets.token_hex(16)

    async def post(client: httpx.AsyncClient) -> None:
        await client.post("/api/alerts/webhook", json=ALERT, headers={"X-Trace-ID": trace_id})

    with collecting() as collector:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "BUILD_SHA": "4f2c1d9"}
        with stack.worker(tmp_path, **told) as worker:
            with_app(stack, post)
            wait_until(lambda: bool(stack.sink.accepted), "the message")
            worker.process.terminate()
            worker.process.wait(10)
        (span,) = collector.of(trace_id)

    assert (span.name, span.tracer, span.version, span.trace) == ("deliver alert", "web-next", "4f2c1d9", trace_id)


def test_an_accepted_alert_has_a_row_and_a_job_of_the_same_id(stack: Stack) -> None:
    [answer] = send(stack, ALERT)
    assert answer["_mock"] is False
    [kept] = stack.postgres.rows("SELECT id, payload->>'title', trace_id, outcome FROM alert_outbox")
    assert kept == (answer["jobId"], "Drawdown", "trace-0001", None)
    assert stack.redis("KEYS", "bull:alerts:*"), "playbook row 4"
    job = stack.redis("HGETALL", f"{KEY}:{answer['jobId']}")
    options = json.loads(job["opts"])
    assert (options["attempts"], options["backoff"]) == (3, {"type": "exponential", "delay": 1000})
    assert json.loads(job["data"])["alert"]["title"] == "Drawdown"


def test_the_worker_posts_what_was_accepted_and_closes_its_row(stack: Stack, worker: Process) -> None:
    [answer] = send(stack, ALERT)
    wait_until(lambda: row(stack, answer["jobId"]) == ("delivered", True), "the delivery")
    assert stack.sink.messages == ["*[critical] Drawdown*\nmax drawdown is 0.19\ntrace trace-0001"]
    assert worker.metric('web_next_alert_deliveries_total{outcome="ok"}') == 1
    assert stack.sink.url not in worker.log.read_text()


def test_a_worker_that_rests_is_well_and_keeps_outbox_and_queues_together_until_it_is_to_deliver(
    stack: Stack, tmp_path: Path
) -> None:
    with stack.worker(tmp_path, ALERTS_CONSUME="false") as worker:
        answers = send(stack, *[ALERT] * 3)
        stack.redis("FLUSHALL")
        with stack.postgres.connect("audit_owner", "audit") as owner:
            owner.execute("UPDATE alert_outbox SET check_at = now()")
        waiting = 'web_next_queue_jobs{queue="deliver",state="waiting"}'
        wait_until(lambda: worker.metric(waiting) == 3, "what Redis had lost, and its measure")
        wait_until(lambda: '"outboxPending": 3' in worker.log.read_text(), "the same in the log, for alarms")
        assert (stack.sink.messages, worker.health()) == ([], "ok\n")
        assert worker.metric('web_next_flag{name="ALERTS_CONSUME"}') == 0

        stack.secrets.flags["ALERTS_CONSUME"] = True
        wait_until(lambda: len(stack.sink.messages) == 3, "the deliveries", 5)
        wait_until(lambda: all(row(stack, each["jobId"]) == ("delivered", True) for each in answers), "their rows")
        assert worker.metric('web_next_flag{name="ALERTS_CONSUME"}') == 1


def test_a_worker_that_is_to_rest_finishes_what_it_has_begun_and_leaves_the_rest_to_another(
    stack: Stack, tmp_path: Path
) -> None:
    stack.sink.seconds = 0.4
    send(stack, *({"title": f"alert {number:03}"} for number in range(150)))
    with stack.worker(tmp_path) as worker:
        wait_until(lambda: len(stack.sink.messages) > 10, "deliveries")
        stack.secrets.flags["ALERTS_CONSUME"] = False
        told = time.monotonic()
        wait_until(lambda: worker.metric('web_next_flag{name="ALERTS_CONSUME"}') == 0, "the flag")
        time.sleep(1)  # in which it looks at the flag, and at times has nothing in work meanwhile
        wait_until(lambda: stack.redis("LLEN", f"{KEY}:active") == 0, "the end of what has begun")
        begun = len(stack.sink.messages)
        time.sleep(1)
        assert len(stack.sink.messages) == begun < 150
        assert max(stack.sink.times) < told + 5
        assert worker.health() == "ok\n"
        stack.secrets.flags["ALERTS_CONSUME"] = True
        with stack.worker(tmp_path):
            wait_until(lambda: len(stack.sink.accepted) == 150, "all of them")
    assert set(stack.sink.accepted.values()) == {1}, "each once"


def test_the_counts_are_the_queues_own(stack: Stack) -> None:
    send(stack, ALERT, ALERT)
    counts = queue(stack).json()
    assert (counts["pending"], counts["waiting"], counts["dlq"], counts["_mock"]) == (2, 2, 0, False)
    assert counts["oldestSec"] >= 0
    assert "_err" not in counts


def test_a_third_failure_makes_a_dead_letter_with_its_history(stack: Stack, worker: Process) -> None:
    stack.sink.status = 500
    [answer] = send(stack, ALERT)
    wait_until(lambda: row(stack, answer["jobId"]) == ("dead", False), "the dead letter")
    assert dead(stack) == [answer["jobId"]]
    letter = json.loads(stack.redis("HGET", f"bull:alerts:dlq:{answer['jobId']}", "data"))
    assert letter["alert"]["title"] == "Drawdown"
    assert letter["attempts"] == 3
    assert [entry["error"] for entry in letter["errors"]] == ["answered with status 500"] * 3
    assert letter["errors"][0]["at"] < letter["errors"][1]["at"] < letter["errors"][2]["at"] == letter["diedAt"]
    first, second, third = stack.sink.times
    assert second - first >= 1
    assert third - second >= 2
    assert not stack.redis("EXISTS", f"{KEY}:{answer['jobId']}"), "it has left the queue"
    assert worker.metric('web_next_alert_deliveries_total{outcome="failed"}') == 2
    assert worker.metric('web_next_alert_deliveries_total{outcome="dead"}') == 1
    assert queue(stack).json()["dlq"] == 1


def test_a_dead_letter_put_back_is_delivered_under_its_id(stack: Stack, worker: Process) -> None:
    stack.sink.status = 500
    [answer] = send(stack, ALERT)
    wait_until(lambda: row(stack, answer["jobId"]) == ("dead", False), "the dead letter")
    stack.sink.status = 200
    moved = queue(stack, action="retry", jobId=answer["jobId"])
    assert moved.json() == {"ok": True, "action": "retry", "moved": 1, "purged": 0}
    wait_until(lambda: row(stack, answer["jobId"]) == ("delivered", True), "the delivery")
    assert dead(stack) == []


def test_an_alert_dies_is_put_back_and_is_delivered_all_by_the_api_and_seen_at_the_receiver(
    stack: Stack, worker: Process, tmp_path: Path
) -> None:
    double = doubles.Process(doubles.DOUBLE, tmp_path, (str(tmp_path / "double"),))
    trace = "walk-0001"

    def messages() -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = double.get(f"/alerts/received?traceId={trace}").json()["items"]
        return items[::-1]

    async def until(holds: Callable[[dict[str, Any]], bool], client: httpx.AsyncClient) -> dict[str, Any]:
        """The counts once they are so."""
        counts: dict[str, Any] = {}
        async with asyncio.timeout(30):
            while not (counts and holds(counts)):
                await asyncio.sleep(0.1)
                counts = (await client.get("/api/alerts/queue")).json()
        return counts

    async def walk(client: httpx.AsyncClient) -> None:
        taken = await client.post("/api/alerts/webhook", json=ALERT, headers={"x-trace-id": trace})
        again = {"action": "retry", "jobId": taken.json()["jobId"]}
        await until(lambda counts: counts["delayed"] == 1, client)
        early = await client.post("/api/alerts/queue", json=again)
        assert (early.status_code, early.json()["_err"]) == (404, "no dead letter has that id")

        dead = await until(lambda counts: counts["dlq"] == 1, client)
        assert dead["pending"] == 0
        assert [message["taken"] for message in messages()] == [False] * 3
        first, second, third = (datetime.fromisoformat(message["at"]).timestamp() for message in messages())
        assert second - first >= 1
        assert third - second >= 2

        assert (await client.post("/api/alerts/queue", json=again)).json()["moved"] == 1
        await until(lambda counts: counts["pending"] == counts["dlq"] == 0, client)
        assert [message["taken"] for message in messages()] == [False] * 3 + [True]
        assert (await client.post("/api/alerts/queue", json=again)).status_code == 404

    double.start()
    try:
        stack.secrets.values["SLACK_WEBHOOK_URL"] = f"{double.url}/alerts/receive"
        double.post("/alerts/refuse", {"traceId": trace, "times": 3})
        with_app(stack, walk)
    finally:
        double.kill()


@pytest.mark.parametrize("name", ["nothing", "meta", "events", "", "a:b"])
def test_what_is_no_dead_letter_is_not_put_back(stack: Stack, name: str) -> None:
    asyncio.run(bury(stack))
    before = sorted(stack.redis("KEYS", "*"))
    assert "bull:alerts:dlq:meta" in before
    assert queue(stack, action="retry", jobId=name).status_code == (404 if name else 422)
    assert sorted(stack.redis("KEYS", "*")) == before


def test_a_redis_without_room_is_away_and_keeps_a_dead_letter_where_it_is(stack: Stack) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        found = (await client.get("/api/healthz")).json()["checks"]["queue"]
        assert (found["ok"], found["away"]) == (False, "redis")

    asyncio.run(bury(stack))
    stack.redis("CONFIG", "SET", "maxmemory", "1")
    try:
        assert queue(stack, action="retry", jobId="there").status_code == 503
        with_app(stack, check)
        assert queue(stack).json()["dlq"] == 1, "what reads is answered"
    finally:
        stack.redis("CONFIG", "SET", "maxmemory", "0")
    assert dead(stack) == ["there"]
    assert queue(stack, action="retry", jobId="there").json()["moved"] == 1


def test_a_move_that_was_killed_halfway_is_ended_by_the_next_one(stack: Stack) -> None:
    asyncio.run(bury(stack))
    asyncio.run(bury(stack, again=True))
    assert queue(stack).json()["waiting"] == 1
    assert queue(stack, action="retry", jobId="there").json()["moved"] == 1
    assert dead(stack) == []
    assert queue(stack).json()["waiting"] == 1


def test_purged_dead_letters_are_gone_and_stay_gone(stack: Stack, worker: Process) -> None:
    stack.sink.status = 500
    answers = send(stack, ALERT, ALERT)
    wait_until(lambda: len(dead(stack)) == 2, "the dead letters")
    wait_until(lambda: all(row(stack, answer["jobId"])[0] == "dead" for answer in answers), "their rows")
    assert queue(stack, action="purge_dlq").json()["purged"] == 2
    assert dead(stack) == []
    assert {row(stack, answer["jobId"]) for answer in answers} == {("purged", True)}


def test_a_job_that_another_producer_left_broken_dies_with_all_others(stack: Stack, worker: Process) -> None:
    job = {"name": "alert", "data": '{"alert": {"title": "x"}}', "opts": "{}", "delay": "0", "priority": "0"}
    broken = {
        "stacktrace": "[null]",
        "parent": "5",
        "progress": "x",
        "finishedOn": "1e300",
        "timestamp": "1764479995123.4",
    }
    for job_id, more in {"broken": broken, "good": {"timestamp": "1764479995123"}}.items():
        fields = job | {"failedReason": "boom"} | more
        stack.redis("HSET", f"bull:alerts:deliver:{job_id}", *(part for field in fields.items() for part in field))
        stack.redis("ZADD", "bull:alerts:deliver:failed", "1", job_id)

    wait_until(lambda: sorted(dead(stack)) == ["broken", "good"], "the dead letters")
    rows = "SELECT id FROM alert_outbox WHERE outcome = 'dead'"
    wait_until(lambda: sorted(stack.postgres.rows(rows)) == [("broken",), ("good",)], "their rows")
    answer = queue(stack)
    assert (answer.status_code, answer.json()["dlq"]) == (200, 2)


def test_without_the_secret_an_alert_becomes_a_dead_letter(stack: Stack, worker: Process) -> None:
    del stack.secrets.values["SLACK_WEBHOOK_URL"]
    [answer] = send(stack, ALERT)
    wait_until(lambda: dead(stack) == [answer["jobId"]], "the dead letter")
    letter = json.loads(stack.redis("HGET", f"bull:alerts:dlq:{answer['jobId']}", "data"))
    assert "cannot be read" in letter["errors"][0]["error"]


def test_a_token_that_was_rotated_is_read_again_without_a_restart(stack: Stack, worker: Process) -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await client.post("/api/alerts/webhook", json=ALERT)
        await asyncio.to_thread(stack.redis.rotate)
        stack.secrets.values["REDIS_URL"] = stack.redis.url
        assert (await client.get("/api/alerts/queue")).json()["_mock"] is False
        await client.post("/api/alerts/webhook", json={"text": "after"})

    with_app(stack, test)
    wait_until(lambda: stack.sink.got("after") == 1, "the delivery after the rotation")


def test_a_certificate_of_another_authority_is_refused(stack: Stack) -> None:
    async def run() -> None:
        settings = stack.settings.model_copy(update={"redis_ca_file": None})
        alerts = stack.alerts(settings)
        await alerts.open()
        with pytest.raises(AwayError, match=r"(?i)certificate"):
            await alerts.ping()
        await alerts.close()

    asyncio.run(run())


@pytest.mark.parametrize("role", [WRITER, READER])
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM alert_outbox",
        "TRUNCATE alert_outbox",
        "UPDATE alert_outbox SET payload = '{}'",
        "UPDATE alert_outbox SET id = 'other'",
        "UPDATE alert_outbox SET created_at = now()",
        "SELECT prune_alert_outbox()",
    ],
)
def test_nobody_but_the_owner_changes_what_an_alert_said(stack: Stack, role: str, statement: str) -> None:
    with stack.postgres.connect(role, "audit") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_pruning_takes_closed_rows_alone(stack: Stack) -> None:
    with stack.postgres.connect("audit_owner", "audit") as owner:
        owner.execute(
            "INSERT INTO alert_outbox (id, payload, created_at, outcome, closed_at) VALUES "
            "('open', '{}', now() - interval '90 days', NULL, NULL), "
            "('dead', '{}', now() - interval '90 days', 'dead', NULL), "
            "('old', '{}', now() - interval '90 days', 'delivered', now() - interval '8 days'), "
            "('new', '{}', now() - interval '90 days', 'purged', now() - interval '6 days')"
        )
        assert owner.execute("SELECT prune_alert_outbox()").fetchone() == (1,)
        assert owner.execute("SELECT id FROM alert_outbox ORDER BY id").fetchall() == [("dead",), ("new",), ("open",)]
