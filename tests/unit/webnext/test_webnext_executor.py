"""The executor's client: the token that it shows, and what it says where that is not taken."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError

from webnext import assembly, executor
from webnext.dependency import FAILURES, AwayError
from webnext.executor import Bearer, Executor, RefusedError
from webnext.settings import Entry, Settings
from webnext.vault import TTL, Vault

OLD, NEW = "-".join(["first", "t0k3n"]), "-".join(["second", "t0k3n"])


class World:
    """An executor that knows one token, and a vault."""

    def __init__(self, known: str, put: str) -> None:
        self.known, self.put, self.now = known, put, 0.0
        self.seen: list[str | None] = []
        self.reads = 0
        self.status = 401
        self.hangs = 0.0
        self.vault = Vault("web-next-test/", lambda: self, lambda: self.now)
        self.executor = Executor("http://executor", httpx.MockTransport(self.answer), Bearer(self.vault))

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        assert SecretId == "web-next-test/EXECUTOR_TOKEN"
        self.reads += 1
        time.sleep(self.hangs)
        if self.hangs:
            raise EndpointConnectionError(endpoint_url="http://vault")
        return {"SecretString": self.put}

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request.headers.get("authorization"))
        await asyncio.sleep(0)
        taken = self.seen[-1] == f"Bearer {self.known}"
        return httpx.Response(200, json={"ok": True}) if taken else httpx.Response(self.status, json={})

    def ask(self, times: int = 1, path: str = "/guardrails") -> list[Any]:
        """What calls at the same time are answered."""

        async def all_of_them() -> list[Any]:
            return [*await asyncio.gather(*(self.executor.get(path) for _ in range(times)), return_exceptions=True)]

        return asyncio.run(all_of_them())


def test_each_call_shows_the_token_and_the_vault_is_asked_once_a_minute() -> None:
    world = World(OLD, OLD)

    assert world.ask(3) + world.ask() == [{"ok": True}] * 4
    assert set(world.seen) == {f"Bearer {OLD}"}
    assert world.reads == 1


def test_a_rotation_is_followed_when_the_values_time_is_over() -> None:
    world = World(OLD, OLD)
    world.ask()
    world.put = world.known = NEW
    world.now = TTL

    assert world.ask() == [{"ok": True}]
    assert world.seen == [f"Bearer {OLD}", f"Bearer {NEW}"]


@pytest.mark.parametrize("status", [401, 403])
def test_no_call_is_lost_when_the_old_token_is_refused_before_that(status: int) -> None:
    world = World(OLD, OLD)
    world.ask()
    world.put = world.known = NEW
    world.status = status

    assert world.ask(20) == [{"ok": True}] * 20
    assert world.reads == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_taken_is_told_by_name_and_asked_for_anew_once(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = World(NEW, OLD)
    world.status = status
    answers = [answer for _ in range(2 * FAILURES) for answer in world.ask()]

    assert {str(answer) for answer in answers} == {
        f"executor: GET /guardrails was refused with {status}: "
        "it does not take the vault's EXECUTOR_TOKEN, put the one that it knows"
    }, "nor is that an outage, after which nobody would be told why"
    assert {type(answer) for answer in answers} == {RefusedError}
    assert world.reads == 2
    assert OLD not in caplog.text
    assert [one.getMessage() for one in caplog.records if one.name == "webnext.executor"] == [str(answers[0])], "once"


def test_the_right_token_is_taken_up_within_a_minute_after_a_wrong_one() -> None:
    world = World(NEW, OLD)
    world.ask(2)
    world.put = NEW
    world.now = TTL

    assert world.ask() == [{"ok": True}]


def test_a_vault_that_hangs_and_then_is_away_holds_no_call_up_nor_takes_the_token_away() -> None:
    world = World(OLD, OLD)
    world.ask()
    world.now, world.hangs = TTL, 2.0
    began = time.monotonic()

    async def calls() -> tuple[list[Any], float]:
        answers = [await world.executor.get("/guardrails") for _ in range(3)]
        took = time.monotonic() - began
        await asyncio.sleep(2)
        return [*answers, await world.executor.get("/guardrails")], took

    answers, took = asyncio.run(calls())
    assert answers == [{"ok": True}] * 4
    assert took < 1.5, "each waits for a moment"
    assert world.reads == 2, "one look at a time"


def test_calls_that_come_while_others_are_waiting_for_the_vault_are_taken_too() -> None:
    world = World(OLD, OLD)

    async def stream() -> list[Any]:
        async def later(turns: int) -> Any:
            for _ in range(turns):
                await asyncio.sleep(0)
            return await world.executor.get("/guardrails")

        rounds = [await asyncio.gather(*(later(turns) for turns in range(60))) for _ in range(10)]
        return [answer for answers in rounds for answer in answers]

    assert asyncio.run(stream()) == [{"ok": True}] * 600


def test_where_no_token_is_shown_a_refusal_says_so() -> None:
    world = World(NEW, OLD)
    world.executor = Executor("http://executor", httpx.MockTransport(world.answer))
    (answer,) = world.ask()

    assert str(answer) == (
        "executor: GET /guardrails was refused with 401: no token was shown, VAULT_ENTRIES does not name EXECUTOR_TOKEN"
    )
    assert world.seen == [None]


@pytest.mark.parametrize("spoil", [lambda t: f"{t}\n", lambda t: f"{t} {t}", lambda t: f"{t}é", lambda t: f"\t{t}"])
def test_a_token_that_no_header_takes_is_named_and_not_quoted(
    spoil: Callable[[str], str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world = World(OLD, spoil(OLD))
    (answer,) = world.ask()

    assert isinstance(answer, AwayError)
    assert "secret EXECUTOR_TOKEN has blanks, line ends or letters that no header takes" in str(answer)
    assert OLD not in str(answer) + caplog.text
    assert world.seen == []


def test_while_the_vault_has_no_token_nothing_is_sent_and_the_cause_is_told() -> None:
    world = World(OLD, "")
    (answer,) = world.ask()

    assert str(answer) == (
        "executor: secret web-next-test/EXECUTOR_TOKEN holds no text: it must be put as SecretString"
    )
    assert world.seen == []


@pytest.mark.parametrize(("entries", "shown"), [((), False), (("OTLP_HEADERS",), False), (("EXECUTOR_TOKEN",), True)])
def test_a_process_shows_a_token_where_it_is_told_that_the_vault_has_one(
    entries: tuple[Entry, ...], shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Bearer | None] = []
    real = executor.Executor

    def made(url: str | None, token: Bearer | None = None) -> Executor:
        given.append(token)
        return real(url, token=token)

    monkeypatch.setattr(assembly, "Executor", made)
    assembly.services_for(Settings(vault_prefix="web-next-test/", vault_entries=entries))

    assert [token is not None for token in given] == [shown]
