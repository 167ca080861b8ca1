from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from webnext.vault import TTL, Vault, VaultError


class Secrets:
    """A Secrets Manager client that counts what it was asked."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.asked: list[str] = []

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        self.asked.append(SecretId)
        name = SecretId.removeprefix("web-next-test/")
        if name not in self.values:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "gone"}}, "GetSecretValue")
        return {"SecretString": self.values[name]}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def secrets() -> Secrets:
    return Secrets(AUDIT_DB_URL="first")


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
