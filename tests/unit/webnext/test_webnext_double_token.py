"""The executor's double where it asks for a token: green with the vault's, red with another, and with none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.double import ENTRY, Client, running
from webnext.double.app import create_double
from webnext.executor import Bearer, Executor, RefusedError
from webnext.settings import Settings
from webnext.vault import Vault

TOKEN = "-".join(["t0k3n", "of", "the", "vault"])
OWN = [
    ("GET", "/guardrails", None),
    ("GET", "/strategies", None),
    ("GET", "/batches", None),
    ("POST", "/strategies/pause", {"breachId": "b-1", "strategyIds": []}),
    ("POST", "/strategies/promote", {"batchId": "b-1", "strategyIds": []}),
    ("POST", "/audit/push", ENTRY),
    ("POST", "/audit/list", {"limit": 1}),
    ("POST", "/evidence/zip", {"runId": "r"}),
    ("POST", "/evidence/archive", {"key": "evidence/r/x.zip"}),
]
"""The executor's own API, as docs/contract.md has it."""
OPEN = [
    ("GET", "/healthz", None),
    ("POST", "/double/reset", None),
    ("POST", "/alerts/receive", {"text": "x"}),
    ("GET", "/alerts/received", None),
]


class Put:
    """What the vault has; None while it is away."""

    def __init__(self, token: str | None = TOKEN) -> None:
        self.token = token

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        assert SecretId == "test/EXECUTOR_TOKEN"
        return {"SecretString": self.token} if self.token else {}

    @property
    def bearer(self) -> Bearer:
        return Bearer(Vault("test/", lambda: self))


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Client]:
    with running(tmp_path, token=Put().bearer) as client:
        yield client


@pytest.mark.parametrize(("method", "path", "body"), OWN, ids=lambda given: str(given)[:20])
def test_a_call_without_the_token_is_refused_and_one_with_it_is_not(
    double: Client, method: str, path: str, body: Any
) -> None:
    for shown in ({}, {"authorization": TOKEN}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": "Bearer é"}):
        refused = double.request(
            method, path, json=body, headers={name: value.encode() for name, value in shown.items()}
        )
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert TOKEN not in refused.text

    taken = double.request(method, path, json=body, headers={"authorization": f"Bearer {TOKEN}"})
    assert taken.status_code in (200, 404), taken.text


@pytest.mark.parametrize(("method", "path", "body"), OPEN, ids=lambda given: str(given)[:20])
def test_what_a_test_asks_and_alerts_need_no_token(double: Client, method: str, path: str, body: Any) -> None:
    assert double.request(method, path, json=body).status_code == 200


def test_a_signed_address_needs_no_token(double: Client) -> None:
    granted = double.request(
        "POST", "/evidence/zip", json={"runId": "r"}, headers={"authorization": f"Bearer {TOKEN}"}
    ).json()
    path = granted["uploadUrl"].removeprefix("http://executor:3010")

    assert double.put(path, content=b"x", headers={"content-type": "application/zip"}).status_code == 200


def test_the_double_does_not_learn_from_the_vault(tmp_path: Path) -> None:
    put = Put()
    with running(tmp_path, token=put.bearer) as double:
        shown = {"authorization": f"Bearer {TOKEN}"}
        assert double.request("GET", "/guardrails", headers=shown).status_code == 200
        put.token = "another"
        assert double.request("GET", "/guardrails", headers=shown).status_code == 200
        assert double.request("GET", "/guardrails", headers={"authorization": "Bearer another"}).status_code == 401


def test_a_vault_that_is_away_is_a_503_until_it_is_back(tmp_path: Path) -> None:
    put = Put(None)
    with running(tmp_path, token=put.bearer) as double:
        shown = {"authorization": f"Bearer {TOKEN}"}
        away = double.request("GET", "/guardrails", headers=shown)
        put.token = TOKEN

        assert away.status_code == 503
        assert "test/EXECUTOR_TOKEN holds no text" in away.json()["_err"]
        assert double.request("GET", "/guardrails", headers=shown).status_code == 200


@pytest.mark.parametrize("wrong", [False, True])
def test_the_client_is_taken_with_the_doubles_token_and_refused_with_another(tmp_path: Path, wrong: bool) -> None:
    async def ask() -> dict[str, Any]:
        transport = httpx.ASGITransport(create_double(Settings(), tmp_path, token=Put().bearer))
        return await Executor("http://executor", transport, Put("wrong" if wrong else TOKEN).bearer).get("/guardrails")

    if wrong:
        with pytest.raises(RefusedError, match="refused with 401: it does not take the vault's EXECUTOR_TOKEN"):
            asyncio.run(ask())
    else:
        assert asyncio.run(ask())["lastBreach"] is None
