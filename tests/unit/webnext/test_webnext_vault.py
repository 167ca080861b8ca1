from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from webnext.vault import TTL, Vault, VaultError


class Secrets:
    """A Secrets Manager client that counts what it was asked."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.asked: list[str] = []
        self.slow: dict[str, threading.Event] = {}
        """Of some names, what an answer waits for."""

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        self.asked.append(SecretId)
        name = SecretId.removeprefix("web-next-test/")
        value = dict(self.values)
        if name in self.slow:
            assert self.slow[name].wait(20)
        if name not in self.values:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "gone"}}, "GetSecretValue")
        return {"SecretString": value[name]}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def secrets() -> Iterator[Secrets]:
    secrets = Secrets(AUDIT_DB_URL="first", SLACK_WEBHOOK_URL="hook")
    yield secrets
    for slow in secrets.slow.values():
        slow.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(secrets: Secrets, clock: Clock) -> Vault:
    return Vault("web-next-test/", lambda: secrets, clock)


def test_a_secret_is_asked_for_once_within_its_time_to_live(vault: Vault, secrets: Secrets, clock: Clock) -> None:
    assert vault.read("AUDIT_DB_URL") == "first"
    secrets.values["AUDIT_DB_URL"] = "second"
    clock.now += TTL - 0.1

    assert vault.read("AUDIT_DB_URL") == "first"
    assert secrets.asked == ["web-next-test/AUDIT_DB_URL"]


def test_a_secret_is_asked_for_again_after_its_time_to_live(vault: Vault, secrets: Secrets, clock: Clock) -> None:
    vault.read("AUDIT_DB_URL")
    secrets.values["AUDIT_DB_URL"] = "second"
    clock.now += TTL

    assert vault.read("AUDIT_DB_URL") == "second"


def test_a_forgotten_secret_is_asked_for_again_at_once(vault: Vault, secrets: Secrets) -> None:
    vault.read("AUDIT_DB_URL")
    secrets.values["AUDIT_DB_URL"] = "second"
    vault.forget("AUDIT_DB_URL")

    assert vault.read("AUDIT_DB_URL") == "second"


def test_a_missing_secret_is_an_error_that_names_it(vault: Vault) -> None:
    with pytest.raises(VaultError, match="web-next-test/REDIS_URL"):
        vault.read("REDIS_URL")


def test_a_failed_read_is_not_kept(vault: Vault, secrets: Secrets) -> None:
    with pytest.raises(VaultError):
        vault.read("REDIS_URL")
    secrets.values["REDIS_URL"] = "there"

    assert vault.read("REDIS_URL") == "there"


def test_a_secret_without_text_is_an_error(vault: Vault, secrets: Secrets) -> None:
    secrets.values["EMPTY"] = ""

    with pytest.raises(VaultError, match="SecretString"):
        vault.read("EMPTY")


def test_while_the_vault_is_away_the_value_read_before_stays_in_use(
    vault: Vault, secrets: Secrets, clock: Clock
) -> None:
    vault.read("AUDIT_DB_URL")
    kept = secrets.values.pop("AUDIT_DB_URL")
    clock.now += TTL

    assert vault.read("AUDIT_DB_URL") == kept

    secrets.values["AUDIT_DB_URL"] = "second"
    clock.now += TTL
    assert vault.read("AUDIT_DB_URL") == "second"


def test_a_refused_value_is_not_used_again_even_while_the_vault_is_away(vault: Vault, secrets: Secrets) -> None:
    vault.read("AUDIT_DB_URL")
    vault.forget("AUDIT_DB_URL")
    secrets.values.clear()

    with pytest.raises(VaultError):
        vault.read("AUDIT_DB_URL")


def test_a_slow_vault_holds_up_nobody_who_has_a_value_and_its_answer_is_taken_when_it_comes(
    vault: Vault, secrets: Secrets, clock: Clock
) -> None:
    vault.read("AUDIT_DB_URL")
    clock.now += TTL
    secrets.values["AUDIT_DB_URL"] = "second"
    slow = secrets.slow["AUDIT_DB_URL"] = threading.Event()

    began = time.monotonic()
    assert vault.read("AUDIT_DB_URL") == "first"
    assert vault.read("AUDIT_DB_URL") == "first"
    assert time.monotonic() - began < 5
    assert len(secrets.asked) == 2, "once for all who wait"

    slow.set()
    assert vault.read("AUDIT_DB_URL") == "second"


def test_a_secret_that_is_slow_holds_up_no_other(vault: Vault, secrets: Secrets) -> None:
    secrets.slow["AUDIT_DB_URL"] = threading.Event()
    reading = threading.Thread(target=vault.read, args=["AUDIT_DB_URL"], daemon=True)
    reading.start()
    while not secrets.asked:
        time.sleep(0.001)

    assert vault.read("SLACK_WEBHOOK_URL") == "hook"
    assert reading.is_alive()


def test_an_answer_that_was_asked_for_before_a_refusal_is_not_kept(
    vault: Vault, secrets: Secrets, clock: Clock
) -> None:
    vault.read("AUDIT_DB_URL")
    clock.now += TTL
    slow = secrets.slow["AUDIT_DB_URL"] = threading.Event()
    vault.read("AUDIT_DB_URL")
    vault.forget("AUDIT_DB_URL")
    del secrets.slow["AUDIT_DB_URL"]
    secrets.values["AUDIT_DB_URL"] = "second"
    assert vault.read("AUDIT_DB_URL") == "second"

    before = threading.active_count()
    slow.set()
    while threading.active_count() == before:
        time.sleep(0.001)
    assert vault.read("AUDIT_DB_URL") == "second"
