"""The queue check: an alert of its own, walked through the dead letters or just delivered, and the counts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from botocore.exceptions import ReadTimeoutError

from cutover import aws
from cutover.smoke.checks import queue
from cutover.smoke.probe import CheckFailedError
from tests.support.edge_double import TARGET, Edge
from tests.support.outside import Outside

RECEIVER = "http://127.0.0.1:3010"
COUNTS = {"pending": 0, "dlq": 2, "_mock": False}


class Alerts:
    """The alert routes, the worker behind them, which tries an alert each second, and the receiver that it sends to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, profile: str = "full", receiver: str | None = RECEIVER) -> None:
        places = replace(TARGET.places, receiver=receiver)
        self.edge = Edge(target=replace(TARGET, profile=profile, places=places))  # type: ignore[arg-type]
        self.outside = Outside().install(monkeypatch)
        self.accepted: dict[str, Any] = {"ok": True, "jobId": "7", "_mock": False}
        self.counts: dict[str, Any] = COUNTS
        self.alerts: list[dict[str, Any]] = []
        self.actions: list[dict[str, Any]] = []
        self.refusals = 0
        self.buried_after = 0.0
        self.works = True
        self._due: list[float] = []
        self.edge.answers["/api/alerts/webhook"] = self._webhook
        self.edge.answers["/api/alerts/queue"] = self._queue
        self.outside.answers["POST", "/alerts/refuse"] = self._refuse
        self.outside.answers["GET", "/alerts/received"] = self._received
        self.webhook = f"{receiver}/alerts/receive"
        monkeypatch.setattr(aws, "client", lambda _service, _places: self)

    def look(self) -> str:
        return queue.look(self.edge.probe())

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803
        """What the vault says of the webhook; without an address there it is away."""
        assert SecretId == "web-next-test/SLACK_WEBHOOK_URL"
        if not self.webhook:
            raise ReadTimeoutError(endpoint_url="http://vault")
        return {"SecretString": self.webhook}

    def _webhook(self, request: httpx.Request) -> httpx.Response:
        self.alerts.append(json.loads(request.content))
        now = self.edge.clock()
        self._due = [now, now + 1, now + 3] if self.refusals else [now]
        return httpx.Response(202, json=self.accepted)

    def _queue(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json=self.counts)
        self.actions.append(json.loads(request.content))
        now = self.edge.clock()
        if len(self._due) < 3 or now < self._due[2] + self.buried_after:
            return httpx.Response(404, json={"_err": "no dead letter has that id"})
        self._due.append(now)
        return httpx.Response(200, json={"ok": True, "action": "retry", "moved": 1})

    def _refuse(self, request: httpx.Request) -> httpx.Response:
        self.refusals = int(json.loads(request.content)["times"])
        return httpx.Response(200, json={"ok": True})

    def _received(self, _request: httpx.Request) -> httpx.Response:
        tried = sum(due <= self.edge.clock() for due in self._due) if self.works else 0
        return httpx.Response(200, json={"items": [{"taken": number >= self.refusals} for number in range(tried)]})


def test_an_alert_dies_is_put_back_and_arrives_by_two_requests_that_the_limit_of_the_api_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alerts = Alerts(monkeypatch)

    assert alerts.look().startswith("alert 7 died after 3 attempts, was put back and arrived, 3.")
    assert alerts.actions == [{"action": "retry", "jobId": "7"}], "nothing is purged, and no other letter is touched"
    probe = alerts.edge.probe()
    queue.look(probe)
    assert [each.path for each in probe.samples.limited_paths()] == ["/api/alerts/queue"] * 2


@pytest.mark.parametrize("profile", ["full", "prod"])
@pytest.mark.parametrize("receiver", [None, RECEIVER])
def test_the_alert_says_that_nobody_must_act(
    monkeypatch: pytest.MonkeyPatch, profile: str, receiver: str | None
) -> None:
    alerts = Alerts(monkeypatch, profile, receiver)
    alerts.look()

    (alert,) = alerts.alerts
    assert alert["title"] == "Smoke test of web-next 1.5.1 on test: nobody must act"


@pytest.mark.parametrize("profile", ["full", "prod"])
def test_without_a_receiver_it_says_that_the_delivery_is_not_seen(
    monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    alerts = Alerts(monkeypatch, profile, receiver=None)

    assert alerts.look() == ("alert 7 accepted, where it arrives cannot be seen from here; 0 pending, 2 dead letters")
    assert alerts.outside.asked == []


@pytest.mark.parametrize("address", ["https://hooks.example.com/services/T0", f"{RECEIVER}.example.com/x"])
def test_where_somebody_put_another_address_nothing_is_refused_and_the_delivery_is_not_seen(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    alerts = Alerts(monkeypatch)
    alerts.webhook = address

    assert alerts.look() == ("alert 7 accepted, where it arrives cannot be seen from here; 0 pending, 2 dead letters")
    assert alerts.outside.asked == []


def test_a_vault_that_does_not_say_where_alerts_go_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = Alerts(monkeypatch)
    alerts.webhook = ""

    with pytest.raises(CheckFailedError, match=r"^web-next-test/SLACK_WEBHOOK_URL, .* cannot be read from the vault"):
        alerts.look()


def test_where_others_use_the_queues_nothing_is_refused_and_nothing_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = Alerts(monkeypatch, "prod")

    assert alerts.look().startswith("alert 7 arrived, 0.")
    assert alerts.refusals == 0
    assert alerts.actions == []


def test_a_worker_that_does_not_deliver_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = Alerts(monkeypatch)
    alerts.works = False
    with pytest.raises(CheckFailedError, match=f"alert 7 was not tried 3 times within 10 s: {RECEIVER} refused 0 and"):
        alerts.look()

    alerts = Alerts(monkeypatch, "prod")
    alerts.works = False
    with pytest.raises(CheckFailedError, match="alert 7 did not arrive within 10 s"):
        alerts.look()


@pytest.mark.parametrize(("seconds", "asked"), [(0.2, 1), (2.0, 2), (8.0, 3)])
def test_a_worker_that_buries_late_is_asked_again(monkeypatch: pytest.MonkeyPatch, seconds: float, asked: int) -> None:
    alerts = Alerts(monkeypatch)
    alerts.buried_after = seconds

    assert alerts.look().startswith("alert 7 died after 3 attempts, was put back and arrived")
    assert len(alerts.actions) == asked


def test_a_letter_that_never_is_one_or_is_not_moved_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = Alerts(monkeypatch)
    alerts.buried_after = 60.0
    with pytest.raises(CheckFailedError, match=r"POST /api/alerts/queue: 404 .*no dead letter has that id"):
        alerts.look()

    alerts = Alerts(monkeypatch)
    alerts.edge.answers["/api/alerts/queue"] = lambda _: httpx.Response(200, json={"ok": True, "moved": 0})
    with pytest.raises(CheckFailedError, match="alert 7 was no dead letter after 3 attempts: moved is 0"):
        alerts.look()


def test_a_receiver_that_is_away_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    alerts = Alerts(monkeypatch)
    alerts.outside.answers.clear()

    with pytest.raises(CheckFailedError, match=f"the receiver at {RECEIVER} does not answer .ConnectError"):
        alerts.look()


@pytest.mark.parametrize("answer", [{"_mock": True}, {"_mock": None}, {"jobId": ""}])
def test_an_alert_that_a_fallback_took_fails(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    alerts = Alerts(monkeypatch, receiver=None)
    alerts.accepted |= answer

    with pytest.raises(CheckFailedError, match="the alert was taken by a fallback"):
        alerts.look()


@pytest.mark.parametrize(
    ("counts", "complaint"),
    [
        ({"_mock": True}, "the counts are a fallback's: _mock is True"),
        ({"_err": "redis"}, "the counts are a fallback's: _mock is False, _err 'redis'"),
        ({"dlq": None}, "the counts are .*'dlq': None.*, whole numbers expected"),
        ({"pending": 9, "oldestSec": 121.5}, "the oldest of 9 alerts waits for 122 s: no worker takes them"),
    ],
)
def test_counts_that_are_not_the_queues_own_and_alerts_that_nobody_takes_fail(
    monkeypatch: pytest.MonkeyPatch, counts: dict[str, Any], complaint: str
) -> None:
    alerts = Alerts(monkeypatch, receiver=None)
    alerts.counts = COUNTS | counts

    with pytest.raises(CheckFailedError, match=complaint):
        alerts.look()
