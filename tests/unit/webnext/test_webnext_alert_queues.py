"""Redis as the queues of alerts have it: its address, an id that no row can hold, whose job is the oldest."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from webnext.alerts import redis
from webnext.alerts.queues import Queues, _placed
from webnext.vault import VaultError


def test_an_address_of_redis_has_user_token_port_and_database() -> None:
    found = redis.parse("redis://user:a%40b@queues:7000/2", None)
    assert (found.host, found.port, found.database, found.username, found.password, found.tls) == (
        "queues",
        7000,
        2,
        "user",
        "a@b",
        None,
    )
    assert "a@b" not in repr(found)


def test_rediss_is_verified() -> None:
    found = redis.parse("rediss://:token@queues", None)
    assert (found.port, found.database, found.username, found.password) == (6379, 0, None, "token")
    assert found.tls is not None
    assert found.tls.check_hostname


@pytest.mark.parametrize("url", ["", "word", "http://word:6379", "redis://", "rediss://word:port", "redis://h/word"])
def test_no_address_of_redis_is_quoted(url: str) -> None:
    with pytest.raises(VaultError, match=r"^secret REDIS_URL is no address: ") as refused:
        redis.parse(url, None)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize(("length", "kept"), [(255, 255), (256, 213)])
def test_a_dead_letter_whose_id_no_row_holds_gets_one_that_follows_from_it(length: int, kept: int) -> None:
    class Nothing:
        async def watch(self, _: str) -> None: ...

        async def hmget(self, *_: str) -> list[None]:
            return [None, None]

    made: list[dict[str, Any]] = [{"data": {}, "opts": {"jobId": "j" * length, "timestamp": 5}} for _ in range(2)]
    for one in made:
        assert not asyncio.run(_placed(one, SimpleNamespace(toKey=str), Nothing()))

    assert made[0] == made[1], "the next mover finds it by the same"
    assert len(made[0]["opts"]["jobId"]) == kept


def test_the_oldest_job_is_found_whatever_clock_its_producer_has() -> None:
    now = time.time()
    stamps = ["soon", None, f"{(now - 60) * 1000:.4f}", str(int(now * 1000))]

    class Pipe:
        def __init__(self) -> None:
            self.answers = iter(([["1", "2"], ["3"], ["4"], []], stamps))

        def __getattr__(self, _: str) -> Any:
            return lambda *_: None

        async def execute(self) -> Any:
            return next(self.answers)

    found = Queues.__new__(Queues)
    found._redis = SimpleNamespace(pipeline=lambda **_: Pipe())  # type: ignore[assignment]
    assert asyncio.run(found._oldest(SimpleNamespace(toKey=str))) == pytest.approx(60, abs=5)
