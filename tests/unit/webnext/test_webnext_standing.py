"""What a check says of an adapter: by a write, by its last uses, and since when."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from tests.support.standing_in import in_request
from webnext import health
from webnext.dependency import AwayError
from webnext.standing import REMEMBERED_SECONDS, Standing


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


AWAY = AwayError("postgres", "refused")


async def writes() -> None: ...


async def cannot_write() -> None:
    raise AWAY


def falls(standing: Standing, kind: str) -> None:
    with pytest.raises(AwayError), standing.use(kind):
        raise AWAY


def why_not(standing: Standing, proof: object = writes) -> AwayError | None:
    try:
        asyncio.run(standing.prove(proof))  # type: ignore[arg-type]
    except AwayError as away:
        return away
    return None


def test_an_adapter_that_takes_a_write_is_well() -> None:
    assert why_not(Standing()) is None


def test_one_that_takes_none_is_not_and_says_since_when_it_does_not() -> None:
    standing, began = Standing(), datetime.now(UTC)
    first, second = why_not(standing, cannot_write), why_not(standing, cannot_write)
    assert first
    assert second
    assert str(second) == "postgres: refused"
    assert first.since
    assert began <= first.since == second.since
    assert why_not(standing) is None


def test_a_use_that_was_left_to_a_fallback_counts_until_the_adapter_does_it_itself() -> None:
    standing = Standing()
    falls(standing, "push")
    with standing.use("list"):
        pass
    assert str(why_not(standing)) == "postgres: refused"
    with standing.use("push"):
        pass
    assert why_not(standing) is None


def test_a_fallback_that_nobody_used_for_a_while_is_forgotten() -> None:
    clock = Clock()
    standing = Standing(clock)
    falls(standing, "push")
    clock.now += REMEMBERED_SECONDS
    assert why_not(standing)
    clock.now += 1
    assert why_not(standing) is None


def test_what_fell_is_counted_by_what_was_away_for_it() -> None:
    async def use() -> None:
        falls(Standing(), "push")

    assert in_request(use) == (None, "postgres")


@pytest.mark.parametrize("away", [None, AwayError("redis", "gone", datetime(2026, 3, 2, tzinfo=UTC))])
def test_a_check_has_since_when_it_is_not_ok(away: AwayError | None) -> None:
    class Part:
        adapter = "production"

        async def ping(self) -> None:
            if away:
                raise away

    check = asyncio.run(health.adapter(Part()))  # type: ignore[arg-type]
    assert (check.ok, check.away, check.since) == (away is None, away and "redis", away and away.since)
