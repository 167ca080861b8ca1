"""What is posted to the webhook, and what its answers mean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from webnext.alerts import slack
from webnext.alerts.slack import DeliveryError, Slack, ThrottledError, message
from webnext.vault import Vault, VaultError

WEBHOOK = "https://hooks.example.com/services/T0/B0/word"


class Secrets:
    """A Secrets Manager that counts how often it is asked."""

    def __init__(self, value: str | None = WEBHOOK) -> None:
        self.value = value
        self.asked = 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        self.asked += 1
        return {"SecretString": self.value}


def deliver(answer: Callable[[httpx.Request], Any], secrets: Secrets | None = None, times: int = 1) -> None:
    async def run() -> None:
        made = Slack(Vault("test/", lambda: secrets or Secrets()), httpx.MockTransport(answer))
        try:
            for _ in range(times):
                await made.deliver({"text": "hello"}, "trace-0001")
        finally:
            await made.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("alert", "text"),
    [
        (
            {"title": "Drawdown", "severity": "critical", "text": "0.19"},
            "*[critical] Drawdown*\n0.19\ntrace trace-0001",
        ),
        ({"title": "Drawdown", "message": "0.19"}, "*Drawdown*\n0.19\ntrace trace-0001"),
        ({"text": "0.19"}, "0.19\ntrace trace-0001"),
        ({"severity": "info", "value": 3}, '*[info]*\n{"severity": "info", "value": 3}\ntrace trace-0001'),
        ({"title": 7, "text": ["a"]}, '*7*\n["a"]\ntrace trace-0001'),
        ({"title": True, "severity": 3, "message": {"é": 1}}, '*[3] true*\n{"é": 1}\ntrace trace-0001'),
        ({"title": None, "value": None}, '{"title": null, "value": null}\ntrace trace-0001'),
    ],
)
def test_a_message_says_what_people_read_first(alert: dict[str, Any], text: str) -> None:
    assert message(alert, "trace-0001") == {"text": text}


@pytest.mark.parametrize("mention", ["<!channel>", "<!here|here>", "<@U123>", "<https://example.com|click>"])
@pytest.mark.parametrize("place", ["title", "severity", "text", "message", "other"])
def test_a_message_mentions_nobody(place: str, mention: str) -> None:
    assert "<" not in message({place: mention}, mention)["text"]


def test_a_message_is_bounded() -> None:
    alert = {"title": "&" * 1000, "severity": "&" * 1000, "text": "&" * 100_000}
    assert len(message(alert, "&" * 1000)["text"]) < 40_000 / 2


def test_a_success_is_a_delivery() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((str(request.url), json.loads(request.content)))
        return httpx.Response(200)

    deliver(answer)
    assert seen == [(WEBHOOK, {"text": "hello\ntrace trace-0001"})]


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
def test_any_other_status_is_a_failed_attempt(status: int) -> None:
    with pytest.raises(DeliveryError, match=f"^answered with status {status}$"):
        deliver(lambda _: httpx.Response(status))


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, None, None),
        (429, "", None),
        (429, "soon", None),
        (429, "-1", None),
        (429, "7", 7),
        (429, "0", 0),
        (503, "7", 7),
        (503, "Mon, 02 Mar 2026 09:30:00 GMT", 0),
        (503, "Mon, 02 Mar 1 09:30:00 GMT", 0),
    ],
)
def test_a_receiver_without_room_says_for_how_long(status: int, header: str | None, seconds: float | None) -> None:
    headers = {} if header is None else {"Retry-After": header}
    with pytest.raises(ThrottledError, match=f"^answered with status {status}$") as throttled:
        deliver(lambda _: httpx.Response(status, headers=headers))
    assert throttled.value.seconds == seconds


def test_a_receiver_may_say_it_as_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert slack.retry_after(later) == pytest.approx(3600, abs=60)


def test_a_revoked_address_is_read_again() -> None:
    secrets = Secrets()
    for status, asked in ((500, 1), (404, 2)):
        secrets.asked = 0

        async def run(status: int = status) -> None:
            made = Slack(Vault("test/", lambda: secrets), httpx.MockTransport(lambda _: httpx.Response(status)))
            for _ in range(2):
                with pytest.raises(DeliveryError):
                    await made.deliver({"text": "hello"}, "")
            await made.close()

        asyncio.run(run())
        assert secrets.asked == asked


def _refused(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError(f"{request.url} is away")


@pytest.mark.parametrize("secret", [WEBHOOK, "http://[", "no address", None])
def test_whatever_fails_is_a_failed_attempt_that_does_not_tell_the_address(secret: str | None) -> None:
    with pytest.raises(DeliveryError) as failed:
        deliver(_refused, Secrets(secret))
    assert "services" not in str(failed.value)


def test_an_answer_that_takes_too_long_is_a_failed_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return httpx.Response(200)

    monkeypatch.setattr(slack, "SECONDS", 0.05)
    with pytest.raises(DeliveryError, match=r"^no answer within 0\.05 s$"):
        deliver(hang)


def test_a_missing_secret_is_said_by_its_name() -> None:
    class Missing:
        def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
            raise VaultError(f"secret {SecretId} cannot be read: it is missing")

    with pytest.raises(DeliveryError, match="test/SLACK_WEBHOOK_URL cannot be read"):
        deliver(lambda _: httpx.Response(200), Missing())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com:word/services",
        "https://hooks.example.com/services/word\n",
        "https://word\udc80/services",
        "hooks.example.com/word",
        "ftp://word/services",
        "https:///services/word",
        "word",
    ],
)
def test_no_address_of_a_webhook_is_quoted(url: str) -> None:
    with pytest.raises(DeliveryError, match=r"^secret SLACK_WEBHOOK_URL is no address: ") as refused:
        deliver(lambda _: httpx.Response(200), Secrets(url))
    assert "word" not in str(refused.value)
