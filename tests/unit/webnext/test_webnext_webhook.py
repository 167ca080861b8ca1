"""The webhook takes any JSON object that is not empty: what it holds is converted, replaced or cut, never refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.support.memory_audit import Call
from webnext.alerts.mock import MockAlerts
from webnext.alerts.slack import message
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.contract.alerts import MAX_ALERT, AlertAnswer, headline
from webnext.settings import Settings

HALF, NUL = "\ud800", "\x00"


class Kept(MockAlerts):
    """Alerts as they would be stored."""

    def __init__(self) -> None:
        super().__init__()
        self.alerts: list[dict[str, Any]] = []

    async def accept(self, alert: dict[str, Any], trace_id: str) -> AlertAnswer:
        self.alerts.append(alert)
        return await super().accept(alert, trace_id)


@pytest.fixture
def take() -> Callable[[str | bytes], dict[str, Any]]:
    """Posts a body to the webhook, which must take it; returns what is stored of it."""
    kept = Kept()
    app = create_app(replace(services_for(Settings()), alerts=kept))

    async def post(content: str | bytes) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://web-next") as client:
            return await client.post("/api/alerts/webhook", content=content)

    def take(content: str | bytes) -> dict[str, Any]:
        answer = asyncio.run(post(content))
        assert answer.status_code == 202, answer.text
        [alert] = kept.alerts
        json.dumps(alert, allow_nan=False, ensure_ascii=False).encode()
        return alert

    return take


AS_THEY_CAME: list[dict[str, Any]] = [
    {"value": 0.19},
    {"a": None},
    {"": ""},
    {"severity": 3, "title": 7, "text": ["a"], "message": {"b": 1}},
    {"severity": None, "title": True},
    {"title": "é" * 501, "severity": "x" * 51, "message": "x" * 10_001},
    {"attachments": [{"color": "danger", "fields": [{"title": "Drawdown", "value": 0.19, "short": True}]}]},
    {"model_config": 1, "model_dump": 2, "self": 3},
    {"large": 10**300},
]


@pytest.mark.parametrize("alert", AS_THEY_CAME, ids=lambda alert: json.dumps(alert)[:40])
def test_an_alert_is_kept_as_it_came(take: Callable[[str], dict[str, Any]], alert: dict[str, Any]) -> None:
    assert take(json.dumps(alert)) == alert


def test_what_has_none_of_what_people_read_is_shown_as_it_is(take: Callable[[str], dict[str, Any]]) -> None:
    assert message(take('{"value":0.19,"on":null}'), "") == {"text": '{"value": 0.19, "on": null}'}


@pytest.mark.parametrize("bad", [HALF, NUL], ids=["half a pair", "NUL"])
@pytest.mark.parametrize("body", [{"title": "x?y"}, {"x?y": "x?y"}, {"other": {"x?y": [{"x?y": "x?y"}]}}])
def test_text_that_nothing_can_hold_is_replaced(
    take: Callable[[str], dict[str, Any]], body: dict[str, Any], bad: str
) -> None:
    alert = take(json.dumps(body).replace("?", json.dumps(bad)[1:-1]))
    assert json.dumps(alert, ensure_ascii=False) == json.dumps(body).replace("?", "\ufffd")


def test_half_a_pair_that_is_written_as_bytes_is_replaced_too(take: Callable[[bytes], dict[str, Any]]) -> None:
    assert take(b'{"title": "x' + HALF.encode(errors="surrogatepass") + b'"}') == {"title": "x\ufffd"}


def test_a_number_that_json_has_no_word_for_is_text_and_endless_nesting_ends(
    take: Callable[[str], dict[str, Any]],
) -> None:
    alert = take('{"value": 1e999, "deep": ' + '{"a":' * 200 + "1" + "}" * 201)
    assert alert["value"] == "inf"
    inner, depth = alert["deep"], 1
    while isinstance(inner, dict):
        inner, depth = inner["a"], depth + 1
    assert (inner, depth) == ("…", 34)


@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"":', "}")], ids=["lists", "objects"])
@pytest.mark.parametrize("deep", [900, 960, 1500, 20_000])
def test_nesting_that_no_reader_follows_ends_too(
    take: Callable[[str], dict[str, Any]], opened: str, closed: str, deep: int
) -> None:
    alert = take('{"title": "]}", "deep": ' + opened * deep + "1" + closed * deep + ', "last": "}{"}')
    assert (alert["title"], alert["last"]) == ("]}", "}{")
    assert json.dumps(alert["deep"]).replace(" ", "") == opened * 33 + '"\\u2026"' + closed * 33


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("1" * 5000, "1" * 5000),
        ("-" + "1" * 5000, "-" + "1" * 5000),
        ("0." + "1" * 5000, 1 / 9),
        ("1" * 5000 + "e1", "inf"),
    ],
    ids=["whole", "negative", "fraction", "power"],
)
def test_a_number_of_more_digits_than_any_reader_takes_is_text(
    take: Callable[[str], dict[str, Any]], number: str, kept: str | float
) -> None:
    assert take(f'{{"digits": "{number}", "value": [{number}]}}') == {"digits": number, "value": [kept]}


@pytest.mark.parametrize("number", ["1", "2"])
def test_an_alert_that_is_too_large_is_cut_to_what_people_read(
    take: Callable[[str], dict[str, Any]], number: str
) -> None:
    fits = {"title": "é", "more": "x" * (MAX_ALERT - 24)}
    if number == "1":
        assert take(json.dumps(fits)) == fits
    else:
        assert take(json.dumps(fits | {"title": "éé"})) == {"title": "éé", "cutFrom": MAX_ALERT + 2}


@pytest.mark.parametrize(
    ("alert", "read"),
    [
        ({"message": "é" * 40_000, "severity": 2}, {"message": "é" * 2999 + "…", "severity": "2"}),
        ({"text": "", "title": {"a": "x" * 70_000}}, {"title": '{"a": "' + "x" * 492 + "…"}),
        ({"severity": "s" * 70_000}, {"severity": "s" * 49 + "…", "text": '{"severity": "' + "s" * 2985 + "…"}),
        ({"rows": ["x" * 70_000]}, {"text": '{"rows": ["' + "x" * 2988 + "…"}),
    ],
)
def test_what_people_read_of_a_large_alert_is_there(
    take: Callable[[str], dict[str, Any]], alert: dict[str, Any], read: dict[str, str]
) -> None:
    kept = take(json.dumps(alert))
    assert kept.pop("cutFrom") > MAX_ALERT
    assert kept == read


@pytest.mark.parametrize(
    ("alert", "called"),
    [
        ({"title": "Drawdown", "text": "0.19"}, "Drawdown"),
        ({"title": "", "text": "0.19"}, "0.19"),
        ({"message": {"a": 1}}, '{"a": 1}'),
        ({"value": 3}, '{"value": 3}'),
        ({"title": "x" * 300}, "x" * 199 + "…"),
    ],
)
def test_an_alert_is_called_by_what_people_read_first(alert: dict[str, Any], called: str) -> None:
    assert headline(alert) == called


@pytest.mark.parametrize(
    ("content", "status"), [("{}", 422), ("[]", 422), ("[1]", 422), ('"x"', 422), ("null", 422), ("", 422), ("{", 400)]
)
def test_what_is_no_object_or_empty_is_refused(call: Call, content: str, status: int) -> None:
    assert call("POST", "/api/alerts/webhook", content=content).status_code == status
