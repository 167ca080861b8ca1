from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import REGISTRY

from webnext.dependency import FAILURES, PAUSE_SECONDS, AwayError, Dependency, every, one_line


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def redis(clock: Clock) -> Dependency:
    return Dependency("redis-under-test", errors=(ConnectionError,), seconds=5, clock=clock)


async def answer() -> str:
    return "PONG"


async def refuse() -> str:
    raise ConnectionError("connection\nrefused")


async def fails(dependency: Dependency, work: Callable[[], Awaitable[str]] = refuse, **limits: float) -> str:
    with pytest.raises(AwayError) as caught:
        await dependency.call(work, **limits)  # type: ignore[arg-type]
    return str(caught.value)


def up() -> float | None:
    return REGISTRY.get_sample_value("web_next_dependency_up", {"dependency": "redis-under-test"})


def test_a_call_returns_what_the_work_returns(redis: Dependency) -> None:
    assert asyncio.run(redis.call(answer)) == "PONG"
    assert up() == 1


def test_a_failure_names_the_dependency_and_the_cause_in_one_line(redis: Dependency) -> None:
    assert asyncio.run(fails(redis)) == "redis-under-test: connection refused"
    assert up() == 0


def test_work_that_hangs_is_given_up_after_the_time_limit_even_if_it_cannot_be_cancelled(redis: Dependency) -> None:
    async def hang() -> str:
        while True:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                await asyncio.sleep(0.05)
                return "too late"

    assert "no answer within 0.01 s" in asyncio.run(fails(redis, hang, seconds=0.01))


def test_the_breaker_opens_after_failures_in_a_row_and_then_does_not_even_try(redis: Dependency) -> None:
    tried = 0

    async def count() -> str:
        nonlocal tried
        tried += 1
        return await refuse()

    async def run() -> None:
        for _ in range(FAILURES + 5):
            await fails(redis, count)

    asyncio.run(run())
    assert tried == FAILURES
    assert redis.is_open


def test_a_success_between_failures_keeps_it_closed(redis: Dependency) -> None:
    async def run() -> None:
        for _ in range(FAILURES * 3):
            for _ in range(FAILURES - 1):
                await fails(redis)
            await redis.call(answer)

    asyncio.run(run())
    assert not redis.is_open


def test_after_the_pause_one_call_tries_while_the_others_are_still_refused(redis: Dependency, clock: Clock) -> None:
    async def run() -> None:
        for _ in range(FAILURES):
            await fails(redis)
        clock.now += PAUSE_SECONDS
        release = asyncio.Event()

        async def slow() -> str:
            await release.wait()
            return "PONG"

        trial = asyncio.create_task(redis.call(slow))
        await asyncio.sleep(0)
        assert "not tried" in await fails(redis, answer)
        release.set()
        assert await trial == "PONG"
        assert await redis.call(answer) == "PONG"

    asyncio.run(run())
    assert up() == 1


def test_a_trial_that_fails_opens_it_again(redis: Dependency, clock: Clock) -> None:
    async def run() -> None:
        for _ in range(FAILURES):
            await fails(redis)
        clock.now += PAUSE_SECONDS
        assert "connection refused" in await fails(redis)
        assert "not tried" in await fails(redis, answer)

    asyncio.run(run())


def test_other_exceptions_pass_through_and_count_as_an_answer(redis: Dependency) -> None:
    async def wrong() -> str:
        raise KeyError("no such job")

    async def run() -> None:
        for _ in range(FAILURES * 2):
            with pytest.raises(KeyError):
                await redis.call(wrong)

    asyncio.run(run())
    assert not redis.is_open
    assert up() == 1


def test_a_cancelled_caller_cancels_the_work(redis: Dependency) -> None:
    ended = []

    async def work() -> str:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(True)
        return "never"

    async def run() -> None:
        call = asyncio.create_task(redis.call(work))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0)

    asyncio.run(run())
    assert ended


def test_calls_beside_have_a_breaker_of_their_own_and_are_refused_where_the_thing_is_away(
    redis: Dependency, clock: Clock
) -> None:
    async def run() -> None:
        beside = redis.beside()
        for _ in range(FAILURES):
            await fails(beside)
        assert (beside.is_open, redis.is_open, up()) == (True, False, 1)
        assert await redis.call(answer) == "PONG"

        beside = redis.beside()
        for _ in range(FAILURES):
            await fails(redis)
        assert "not tried" in await fails(beside, answer)

        clock.now += PAUSE_SECONDS
        for _ in range(FAILURES):
            await fails(beside)
        assert await redis.call(answer) == await beside.call(answer) == "PONG", "what is back is back for both"

    asyncio.run(run())


def test_an_error_without_a_message_is_named_by_its_type() -> None:
    assert one_line(TimeoutError()) == "TimeoutError"


def test_a_loop_outlives_every_failure_and_logs_the_unexpected_ones(caplog: pytest.LogCaptureFixture) -> None:
    failures = [AwayError("redis", "refused"), RuntimeError("boom")]
    done = asyncio.Event()

    async def work() -> None:
        if failures:
            raise failures.pop(0)
        done.set()

    async def run() -> None:
        task = asyncio.create_task(every(0, "counting", work))
        await asyncio.wait_for(done.wait(), 5)
        task.cancel()

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    assert "counting is tried again in 0 s: redis: refused" in caplog.text
    assert "counting failed" in caplog.text
