"""Alerts without their servers: what is posted, which address Redis has, what is answered while something is away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from redis.exceptions import ConnectionError

from tests.support.standing_in import in_request
from webnext.alerts import redis, slack
from webnext.alerts.outbox import Counts, Row
from webnext.alerts.production import ProductionAlerts
from webnext.alerts.queues import Depth, Letter, attempt, letter_of
from webnext.alerts.reconciler import Reconciler
from webnext.alerts.slack import DeliveryError, Slack, message
from webnext.alerts.worker import AlertWorker, Duty
from webnext.dependency import AwayError
from webnext.flags import Flags
from webnext.postgres import Postgres
from webnext.settings import Settings
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
        ({"title": 7, "text": ["a"]}, "*7*\n['a']\ntrace trace-0001"),
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


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500])
def test_any_other_status_is_a_failed_attempt(status: int) -> None:
    with pytest.raises(DeliveryError, match=f"^answered with status {status}$"):
        deliver(lambda _: httpx.Response(status))


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
    with pytest.raises(ConnectionError, match=r"^secret REDIS_URL is no address: ") as refused:
        redis.parse(url, None)
    assert "word" not in str(refused.value)


def job(data: Any, stacktrace: list[str], reason: str | None = None) -> Any:
    return SimpleNamespace(id="1", data=data, stacktrace=stacktrace, failedReason=reason, timestamp=5)


def test_a_job_of_ours_is_its_alert() -> None:
    entry = attempt("no answer")
    found = letter_of(job({"alert": {"text": "a"}, "traceId": "t"}, [entry, entry]))
    assert (found.alert, found.trace_id, found.created) == ({"text": "a"}, "t", 5)
    assert [list(error) for error in found.errors] == [["at", "error"]] * 2


@pytest.mark.parametrize(
    ("data", "alert"), [({"text": "a"}, {"text": "a"}), ({"alert": 1}, {"alert": 1}), (5, {"text": "5"})]
)
def test_any_other_job_is_an_alert_as_a_whole(data: Any, alert: dict[str, Any]) -> None:
    found = letter_of(job(data, ["Error: boom\n    at file:1"], "boom"))
    assert (found.alert, found.errors) == (alert, [{"at": None, "error": "Error: boom"}])
    assert letter_of(job(data, [], "stalled")).errors == [{"at": None, "error": "stalled"}]


class Stub:
    """An outbox or queues that notes every call, and fails while `away`."""

    def __init__(self, **answers: Any) -> None:
        self.away: Exception | None = None
        self.calls: list[tuple[str, Any]] = []
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **_: Any) -> Any:
            if self.away:
                raise self.away
            self.calls.append((name, arguments))
            return self._answers.get(name)

        return call

    @property
    def called(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.fixture
def outbox() -> Stub:
    return Stub(counts=Counts(4, 2, 9.5), purge={"a", "b"})


@pytest.fixture
def queues() -> Stub:
    depths = {"deliver": Depth(1, 2, 3, 8.0), "dlq": Depth(7, 0, 0, 9.0)}
    return Stub(depths=depths, dead_ids={"b", "c"}, revive=True)


@pytest.fixture
def alerts(outbox: Stub, queues: Stub) -> ProductionAlerts:
    vault = Vault("test/", Secrets)
    made = ProductionAlerts(Settings(), vault, Postgres(vault))
    made._outbox, made._queues = outbox, queues  # type: ignore[assignment]
    return made


POSTGRES_AWAY, REDIS_AWAY = AwayError("postgres", "gone"), ConnectionError("gone")


def test_an_alert_is_written_down_before_it_is_queued_under_the_same_id(
    alerts: ProductionAlerts, outbox: Stub, queues: Stub
) -> None:
    answer = asyncio.run(alerts.accept({"text": "a"}, "t"))
    [(_, (job_id, alert, trace_id))] = outbox.calls
    [(_, (letter,))] = queues.calls
    assert (job_id, alert, trace_id) == (answer.jobId, {"text": "a"}, "t") == (letter.id, letter.alert, letter.trace_id)
    assert answer.mock is False


def test_with_redis_away_the_outbox_is_enough(alerts: ProductionAlerts, outbox: Stub, queues: Stub) -> None:
    queues.away = REDIS_AWAY
    assert asyncio.run(alerts.accept({"text": "a"}, "t")).mock is False
    assert outbox.called == ["add"]


def test_with_postgres_away_redis_stands_in_and_it_is_said(
    alerts: ProductionAlerts, outbox: Stub, queues: Stub
) -> None:
    outbox.away = POSTGRES_AWAY
    answer, away = in_request(lambda: alerts.accept({"text": "a"}, "t"))
    assert (answer.mock, away) == (True, "postgres")
    assert queues.called == ["enqueue"]


def test_with_both_away_an_alert_is_refused(alerts: ProductionAlerts, outbox: Stub, queues: Stub) -> None:
    outbox.away, queues.away = POSTGRES_AWAY, REDIS_AWAY
    with pytest.raises(AwayError, match="neither Postgres nor Redis"):
        asyncio.run(alerts.accept({"text": "a"}, "t"))


def test_counts_are_redis_then_the_outboxs_then_none(alerts: ProductionAlerts, outbox: Stub, queues: Stub) -> None:
    async def run() -> list[Any]:
        found = [await alerts.counts()]
        queues.away = REDIS_AWAY
        found.append(await alerts.counts())
        outbox.away = POSTGRES_AWAY
        found.append(await alerts.counts())
        return [(one.pending, one.dlq, one.oldestSec, one.mock) for one in found]

    assert in_request(run) == ([(6, 7, 8.0, False), (4, 2, 9.5, True), (0, 0, None, True)], "redis")


def test_a_dead_letter_is_put_back_even_while_postgres_is_away(
    alerts: ProductionAlerts, outbox: Stub, queues: Stub
) -> None:
    assert asyncio.run(alerts.retry("a")) == 1
    assert outbox.calls == [("reopened", (["a"],))]
    outbox.away = POSTGRES_AWAY
    assert asyncio.run(alerts.retry("a")) == 1
    queues.away = REDIS_AWAY
    with pytest.raises(AwayError):
        asyncio.run(alerts.retry("a"))


def test_purging_needs_both_and_begins_with_the_rows(alerts: ProductionAlerts, outbox: Stub, queues: Stub) -> None:
    assert asyncio.run(alerts.purge()) == 3
    [(name, (dropped,))] = [call for call in queues.calls if call[0] == "drop"]
    assert (name, sorted(dropped)) == ("drop", ["a", "b", "c"])
    queues.calls.clear()
    outbox.away = POSTGRES_AWAY
    with pytest.raises(AwayError):
        asyncio.run(alerts.purge())
    assert "drop" not in queues.called


@pytest.mark.parametrize(
    ("outcome", "where", "done"),
    [
        (None, None, ("queues", "enqueue")),
        (None, "open", None),
        (None, "completed", ("outbox", "delivered")),
        (None, "dead", ("outbox", "dead")),
        ("dead", None, ("queues", "restore")),
        ("dead", "open", ("outbox", "reopened")),
        ("dead", "completed", ("outbox", "delivered")),
        ("dead", "dead", None),
    ],
)
def test_a_row_is_settled_by_where_its_job_is(outcome: Any, where: Any, done: tuple[str, str] | None) -> None:
    row = Row("a", {"text": "a"}, "t", outcome, [], 5)
    outbox = Stub(claim=[row])
    letter = Letter("a", {"text": "a"}, "t", [{"at": None, "error": "boom"}], 5)
    queues = Stub(failed=[], whereabouts=[where], letter=letter)
    asyncio.run(Reconciler(outbox, queues).reconcile())  # type: ignore[arg-type]
    acts = [("outbox", name) for name in outbox.called if name != "claim"]
    acts += [("queues", name) for name in queues.called if name in ("enqueue", "restore")]
    assert acts == ([done] if done else [])


def test_rows_are_not_claimed_while_redis_is_away() -> None:
    outbox, queues = Stub(), Stub()
    queues.away = REDIS_AWAY
    with pytest.raises(AwayError):
        asyncio.run(Reconciler(outbox, queues).reconcile())  # type: ignore[arg-type]
    assert outbox.calls == []


def test_a_duty_that_hangs_or_is_given_up_is_named() -> None:
    async def run() -> None:
        vault = Vault("test/", Secrets)
        worker = AlertWorker(Settings(), Flags(Settings()), vault, Postgres(vault))
        hung = asyncio.Event()

        async def hang() -> None:
            await hung.wait()

        async def end() -> None:
            raise asyncio.CancelledError

        async def work() -> None: ...

        worker._duties = [
            Duty("hanging", 60, 0.01, hang),
            Duty("patient", 60, 60, hang),
            Duty("resting", 60, 0.01, work),
            Duty("ended", 60, 60, end),
        ]
        assert worker.stuck() == [], "it has not begun"
        await worker.start()
        await asyncio.sleep(0.1)
        assert worker.stuck() == ["hanging", "ended"]
        await worker.stop()

    asyncio.run(run())


def test_a_missing_secret_is_said_by_its_name() -> None:
    class Missing:
        def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
            raise VaultError(f"secret {SecretId} cannot be read: it is missing")

    with pytest.raises(DeliveryError, match="test/SLACK_WEBHOOK_URL cannot be read"):
        deliver(lambda _: httpx.Response(200), Missing())  # type: ignore[arg-type]
