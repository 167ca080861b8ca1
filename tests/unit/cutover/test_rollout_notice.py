"""The line at each turn of a rollout: what it says, and that nobody is told the channel's address."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from cutover.errors import CutoverError, UnreachableError
from cutover.rollout import notice
from cutover.rollout.record import Last, Record, State
from cutover.schema import secrets
from tests.support.outside import Outside
from tests.support.rollouts import RECORD

URL = "http://127.0.0.1:3010/alerts/receive"
BY_HAND = "docker exec edge rm -f /weights/now"


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    def value(arn: str, **given: Any) -> str:
        assert arn == RECORD.targets.webhook_secret
        return URL

    monkeypatch.setattr(secrets, "secret_value", value)
    return Outside().install(monkeypatch)


def test_it_says_who_what_why_and_the_way_by_hand_and_mentions_nobody(outside: Outside) -> None:
    outside.answer("POST", "/alerts/receive", {"ok": True})
    last = Last(by="ada", verb="canary", why="<!channel> & more")
    notice.tell(replace(RECORD, last=last), BY_HAND)

    (request,) = outside.asked
    assert json.loads(request.content)["text"].splitlines() == [
        "*web-next local: canary* 1.5.1 after 1.5.0, weight 10 %",
        "canary by ada: &lt;!channel&gt; &amp; more",
        "rollout r7, revision 4; cutover status -s local",
        f"back by hand, if nothing else works: `{BY_HAND}`",
    ]


def test_a_rollback_names_the_gate_and_the_reason() -> None:
    last = Last(by="tick", verb="rollback", why="9 of 100", gate="errors")
    said = notice.text(replace(RECORD, state=State.ROLLED_BACK, last=last), BY_HAND).splitlines()

    assert said[0] == "*web-next local: rolled back* 1.5.1 after 1.5.0, weight 0 %"
    assert said[1] == "rollback by tick: gate errors: 9 of 100"


def test_a_hold_says_why() -> None:
    said = notice.text(replace(RECORD, hold="Postgres does not answer"), BY_HAND).splitlines()

    assert said[0].endswith("1.5.1 after 1.5.0, weight 10 %")
    assert "held: Postgres does not answer" in said


@pytest.mark.parametrize("state", [State.FINISHING, State.FINISHED])
def test_without_a_way_back_there_is_no_line_for_it(state: State) -> None:
    assert "by hand" not in notice.text(replace(RECORD, state=state), BY_HAND)
    one_way = replace(RECORD.releases, one_way="007_drop.sql")
    assert "by hand" not in notice.text(replace(RECORD, releases=one_way), BY_HAND)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(404), "it answered with status 404"),
        (httpx.ConnectError(f"no route to {URL}"), "ConnectError: no route to its address"),
        (httpx.ReadTimeout("too long"), "ReadTimeout: too long"),
    ],
)
def test_a_channel_that_does_not_take_it_is_said_without_its_address(
    outside: Outside, answer: httpx.Response | Exception, says: str
) -> None:
    def answered(_request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    outside.answers["POST", "/alerts/receive"] = answered
    with pytest.raises(UnreachableError) as untold:
        notice.tell(RECORD, BY_HAND)

    assert says in str(untold.value)
    assert URL not in str(untold.value)


def test_a_vault_that_refuses_is_out_of_reach_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(arn: str, **given: Any) -> str:
        raise CutoverError("secret cannot be read")

    monkeypatch.setattr(secrets, "secret_value", refuse)
    with pytest.raises(UnreachableError, match="secret cannot be read"):
        notice.tell(RECORD, BY_HAND)


def test_the_record_keeps_where_the_address_is_and_not_the_address() -> None:
    assert Record.read(RECORD.text()).targets.webhook_secret.endswith(":secret:web-next-local/SLACK_WEBHOOK_URL-AbCdEf")
