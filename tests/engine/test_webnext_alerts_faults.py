"""Alerts while Redis, Postgres, the webhook or the worker fail: what was accepted is delivered or a dead letter."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.alert_load import closed, settled, under_load
from tests.support.alerts import Stack
from tests.support.containers import wait_until

pytestmark = pytest.mark.engine
soak = pytest.mark.soak


@pytest.mark.parametrize("fault", ["pause", "lose", pytest.param("kill", marks=soak)])
def test_no_alert_is_lost_while_redis_fails(stack: Stack, tmp_path: Path, fault: str) -> None:
    ends = {"pause": stack.redis.unpause, "kill": stack.redis.start, "lose": stack.redis.create}[fault]
    with stack.worker(tmp_path):
        load = under_load(stack, (1, getattr(stack.redis, fault)), (3, ends))
        assert load.taken
        assert load.mocks == 0, "the outbox had them all"
        settled(stack, load)
        wait_until(lambda: closed(stack), "the rows")


@pytest.mark.parametrize("fault", ["pause", pytest.param("kill", marks=soak)])
def test_no_alert_is_lost_while_postgres_fails(stack: Stack, tmp_path: Path, fault: str) -> None:
    ends = {"pause": stack.postgres.unpause, "kill": stack.postgres.start}[fault]
    with stack.worker(tmp_path):
        load = under_load(stack, (1, getattr(stack.postgres, fault)), (4, ends))
        assert load.taken
        assert 0 < load.mocks < len(load.accepted), "Redis stood in, then the outbox was back"
        settled(stack, load)
        wait_until(lambda: closed(stack), "the rows", 60)


def test_with_both_away_nothing_is_accepted_and_what_was_is_not_lost(stack: Stack, tmp_path: Path) -> None:
    with stack.worker(tmp_path):
        load = under_load(
            stack,
            (1, stack.redis.kill),
            (1, stack.postgres.kill),
            (3, stack.redis.start),
            (0, stack.postgres.start),
        )
        assert load.statuses.keys() == {202, 503}
        settled(stack, load)
        wait_until(lambda: closed(stack), "the rows", 60)


def test_what_waits_for_a_redis_that_lost_everything_is_queued_again(stack: Stack, tmp_path: Path) -> None:
    load = under_load(stack, (0, lambda: None))
    stack.redis.lose()
    stack.redis.create()
    with stack.worker(tmp_path):
        settled(stack, load)


def test_dead_letters_that_redis_lost_are_in_dlq_again(stack: Stack, tmp_path: Path) -> None:
    stack.sink.status = 503
    with stack.worker(tmp_path):
        load = under_load(stack, (0, lambda: None))
        wait_until(lambda: stack.redis("LLEN", "bull:alerts:dlq:wait") == len(load.accepted), "the dead letters", 60)
        wait_until(lambda: closed(stack), "the rows")
        stack.redis.lose()
        stack.redis.create()
        with stack.postgres.connect("audit_owner", "audit") as owner:
            owner.execute("UPDATE alert_outbox SET check_at = now()")
        wait_until(lambda: stack.redis("LLEN", "bull:alerts:dlq:wait") == len(load.accepted), "them again", 60)
    job = next(iter(load.accepted.values()))
    assert "answered with status 503" in stack.redis("HGET", f"bull:alerts:dlq:{job}", "data")


def test_a_webhook_that_fails_for_a_while_leaves_deliveries_and_dead_letters(stack: Stack, tmp_path: Path) -> None:
    def status(value: int) -> Callable[[], None]:
        return lambda: setattr(stack.sink, "status", value)

    with stack.worker(tmp_path):
        load = under_load(stack, (1, status(500)), (5, status(200)))
        assert load.taken
        settled(stack, load)
    assert stack.redis("LLEN", "bull:alerts:dlq:wait") > 0
    assert stack.sink.accepted


@pytest.mark.parametrize("seconds", [1, pytest.param(5, marks=soak)])
def test_a_webhook_slower_than_the_time_out_makes_dead_letters(stack: Stack, tmp_path: Path, seconds: int) -> None:
    stack.sink.seconds = seconds + 2
    stack.sink.status = 500  # whatever it says after the time-out
    with stack.worker(tmp_path, f"slack.SECONDS = {seconds}") as worker:
        load = under_load(stack, alerts=3)
        one = next(iter(load.accepted.values()))
        wait_until(lambda: stack.redis("EXISTS", f"bull:alerts:dlq:{one}") == 1, "the dead letter", 60)
        assert f"no answer within {seconds} s" in stack.redis("HGET", f"bull:alerts:dlq:{one}", "data")
        assert worker.health() == "ok\n"


@pytest.mark.parametrize(
    "limits", ["consumer.LOCK_MS = 2000; consumer.STALLED_MS = 1000", pytest.param("pass", marks=soak)]
)
def test_what_a_killed_worker_had_begun_is_taken_up_again(stack: Stack, tmp_path: Path, limits: str) -> None:
    stack.sink.seconds = 4
    with stack.worker(tmp_path, limits) as first:
        load = under_load(stack, (0, lambda: None))
        wait_until(lambda: len(stack.sink.messages) >= 5, "five deliveries")
        assert stack.redis("LLEN", "bull:alerts:deliver:active") == 5, "the concurrency"
        first.process.kill()
        first.process.wait()
        stack.sink.seconds = 0
        wait_until(lambda: stack.sink.busy == 0, "the webhook, which goes on for a sender that is gone")
        stack.sink.accepted.clear()
    begun = {text for text in load.accepted if any(text in message for message in stack.sink.messages)}
    with stack.worker(tmp_path, limits):
        wait_until(lambda: all(stack.sink.got(text) for text in begun), "the deliveries", 30)
        settled(stack, load)


def test_a_worker_told_to_stop_finishes_what_it_has_begun_and_takes_nothing_new(stack: Stack, tmp_path: Path) -> None:
    stack.sink.seconds = 3
    with stack.worker(tmp_path) as worker:
        load = under_load(stack, (0, lambda: None))
        wait_until(lambda: len(stack.sink.messages) >= 5, "five deliveries")
        begun = len(stack.sink.messages)
        told = time.monotonic()
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(12)
        assert time.monotonic() - told < 9
    assert sum(stack.sink.accepted.values()) == len(stack.sink.messages)
    assert begun <= len(stack.sink.messages) <= begun + 5
    assert stack.redis("LLEN", "bull:alerts:deliver:active") == 0
    assert len(load.accepted) > len(stack.sink.messages)


def test_a_worker_that_starts_alone_waits_for_everything(stack: Stack, tmp_path: Path) -> None:
    load = under_load(stack, (0, lambda: None))
    webhook = stack.secrets.values.pop("SLACK_WEBHOOK_URL")
    stack.redis.kill()
    stack.postgres.kill()
    with stack.worker(tmp_path) as worker:
        time.sleep(3)
        assert worker.health() == "ok\n"
        stack.secrets.values["SLACK_WEBHOOK_URL"] = webhook
        stack.postgres.start()
        stack.redis.start()
        settled(stack, load)


def test_two_workers_share_the_work(stack: Stack, tmp_path: Path) -> None:
    with stack.worker(tmp_path) as one, stack.worker(tmp_path) as other:
        load = under_load(stack, (3, lambda: None))
        settled(stack, load)
        ok = 'web_next_alert_deliveries_total{outcome="ok"}'
        wait_until(lambda: one.metric(ok) + other.metric(ok) == len(load.accepted), "each once")
        assert min(one.metric(ok), other.metric(ok)) > 0


def test_the_counts_come_from_the_outbox_while_redis_is_away_and_are_nothing_without_it(stack: Stack) -> None:
    load = under_load(stack, (0, lambda: None))
    answers = []

    async def counts() -> None:
        async with stack.app() as client:
            answers.append((await client.get("/api/alerts/queue")).json())

    stack.redis.kill()
    asyncio.run(counts())
    stack.postgres.kill()
    asyncio.run(counts())
    assert [(answer["pending"], answer["_mock"]) for answer in answers] == [(len(load.accepted), True), (0, True)]
