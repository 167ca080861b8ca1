"""A storm of alerts before a receiver that takes one a second, on a real Redis: all arrive, and none is given up. Dead
letters are listed and put back together."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.alerts import KEY, Stack
from tests.support.containers import wait_until

pytestmark = pytest.mark.engine


def send(stack: Stack, count: int) -> list[str]:
    """Have the application accept so many alerts; returns their ids."""

    async def run() -> list[str]:
        async with stack.app() as client:
            answers = [
                await client.post("/api/alerts/webhook", json={"title": f"alert-{number:03}-"})
                for number in range(count)
            ]
            return [str(answer.json()["jobId"]) for answer in answers]

    return asyncio.run(run())


def ask(stack: Stack, method: str, path: str, body: Any = None) -> httpx.Response:
    async def run() -> httpx.Response:
        async with stack.app() as client:
            return await client.request(method, path, json=body)

    return asyncio.run(run())


def dead(stack: Stack) -> int:
    return int(stack.redis("LLEN", "bull:alerts:dlq:wait"))


def bury(stack: Stack, count: int) -> list[str]:
    """Make so many dead letters more; returns their ids."""
    stack.sink.status = 500
    all_of_them = dead(stack) + count
    ids = send(stack, count)
    wait_until(lambda: dead(stack) == all_of_them, "the dead letters", 60)
    wait_until(lambda: outcomes(stack) == [("dead", all_of_them)], "their rows")
    stack.sink.status = 200
    for seen in (stack.sink.messages, stack.sink.times):
        seen.clear()
    return ids


def blocked(stack: Stack) -> int:
    """How often a worker has waited for alerts to come."""
    return int(stack.redis("INFO", "commandstats").get("cmdstat_bzpopmin", {}).get("calls", 0))


def outcomes(stack: Stack) -> list[tuple[Any, ...]]:
    return stack.postgres.rows("SELECT outcome, count(*) FROM alert_outbox GROUP BY outcome")


@pytest.mark.parametrize("alerts", [20, pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(1000)])])
def test_a_storm_goes_out_at_the_pace_of_a_receiver_of_one_a_second_and_none_is_given_up(
    stack: Stack, tmp_path: Path, alerts: int
) -> None:
    stack.sink.pace = 1
    ids = send(stack, alerts)
    with stack.worker(tmp_path) as worker:
        stack.redis("CONFIG", "RESETSTAT")
        began = time.monotonic()
        wait_until(lambda: len(stack.sink.accepted) == alerts, "all of them", 10 + 1.3 * alerts)
        took = time.monotonic() - began
        assert blocked(stack) < 5, "it waits for the limit, not for alerts to come: that would take a second more"
        wait_until(lambda: outcomes(stack) == [("delivered", alerts)], "their rows")
        assert worker.metric('web_next_alert_deliveries_total{outcome="failed"}') == 0
        assert worker.metric('web_next_alert_deliveries_total{outcome="held"}') == stack.sink.refused > 0
        assert worker.health() == "ok\n"
    assert dead(stack) == 0
    assert took < 8 + 1.2 * alerts, "the receiver's pace, once the worker has started and learned it"
    assert stack.sink.refused < 5 + alerts / 5, "it is not asked again and again"
    assert set(stack.sink.accepted.values()) == {1}
    assert {stack.redis("HGET", f"{KEY}:{job_id}", "atm") for job_id in ids} == {"1"}, "no attempt more"


def test_alerts_keep_their_order_behind_one_that_waits(stack: Stack, tmp_path: Path) -> None:
    stack.sink.pace = 1
    send(stack, 12)
    with stack.worker(tmp_path):
        wait_until(lambda: len(stack.sink.accepted) == 12, "all of them", 30)
    came = [int(text.partition("-")[2][:3]) for text in stack.sink.accepted]
    assert sorted(came[7:]) == came[7:], "but for those that went out at once"


def test_a_worker_that_waits_for_its_receiver_stops_at_once_and_another_goes_on(stack: Stack, tmp_path: Path) -> None:
    stack.sink.pace = 3600
    send(stack, 3)
    with stack.worker(tmp_path) as worker:
        wait_until(lambda: stack.sink.refused > 1, "the refusals")
        told = time.monotonic()
        worker.process.terminate()
        worker.process.wait(12)
        assert time.monotonic() - told < 5
    assert stack.redis("LLEN", f"{KEY}:active") == 0
    stack.sink.pace = 0
    with stack.worker(tmp_path):
        wait_until(lambda: len(stack.sink.accepted) == 3, "the rest")
    assert dead(stack) == 0


def test_dead_letters_are_listed_the_newest_first_from_redis_and_while_it_is_away_from_postgres(
    stack: Stack, tmp_path: Path
) -> None:
    with stack.worker(tmp_path):
        # One at a time: Redis has those of one millisecond as they came, Postgres by their ids.
        ids = [job_id for _ in range(3) for job_id in bury(stack, 1)]

    def page(query: str) -> dict[str, Any]:
        found: dict[str, Any] = ask(stack, "GET", f"/api/alerts/dlq?{query}").json()
        return found

    whole = page("limit=100")
    died = [item["diedAt"] for item in whole["items"]]
    assert died == sorted(died, reverse=True)
    assert [item["id"] for item in whole["items"]] == ids[::-1]
    assert whole["items"][-1]["title"] == "alert-000-"
    assert (whole["items"][0]["attempts"], whole["items"][0]["lastError"]) == (3, "answered with status 500")
    assert (page("limit=1&offset=2")["items"], page("limit=1")["total"]) == (whole["items"][2:], 3)
    stack.redis.kill()
    away = page("limit=100")
    assert (away["_mock"], away["total"], away["items"]) == (True, 3, whole["items"])


def test_all_dead_letters_are_put_back_together_and_go_out_one_a_second(stack: Stack, tmp_path: Path) -> None:
    with stack.worker(tmp_path):
        ids = bury(stack, 6)
        answer = ask(stack, "POST", "/api/alerts/queue", {"action": "retry_all", "by": "Ada"})
        assert answer.json() == {"ok": True, "action": "retry_all", "moved": 6, "purged": 0, "left": 0}
        wait_until(lambda: len(stack.sink.accepted) == 6, "all of them", 20)
        wait_until(lambda: outcomes(stack) == [("delivered", 6)], "their rows")
    assert dead(stack) == 0
    apart = [later - sooner for sooner, later in itertools.pairwise(stack.sink.times)]
    assert min(apart) > 0.5
    assert stack.sink.times[-1] - stack.sink.times[0] > 4.5
    assert set(ids) == {str(one) for (one,) in stack.postgres.rows("SELECT id FROM alert_outbox")}


def test_some_are_put_back_and_the_others_stay(stack: Stack, tmp_path: Path) -> None:
    with stack.worker(tmp_path):
        ids = bury(stack, 3)
        body = {"action": "retry_some", "jobIds": [ids[0], ids[2], "gone"]}
        assert ask(stack, "POST", "/api/alerts/queue", body).json()["moved"] == 2
        wait_until(lambda: len(stack.sink.accepted) == 2, "the two")
    assert [item["id"] for item in ask(stack, "GET", "/api/alerts/dlq").json()["items"]] == [ids[1]]
