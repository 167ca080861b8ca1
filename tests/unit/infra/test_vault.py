"""The vault: every entry under one key, readable by those alone who are named, no value in plain."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from infra.vault import APP_SECRETS, CHANNEL, Vault, VaultArgs
from tests.unit.infra.configs import ACCOUNT, DOCKER, FARGATE, NAMES, OPERATORS, changed, without
from tests.unit.infra.parts import Parts, run
from tests.unit.infra.recorder import Recording, record

SECRET = "aws:secretsmanager/secret:Secret"
SECRET_POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"
SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
ENTRIES = {*APP_SECRETS, "AUDIT_DB_MASTER_URL", "AUDIT_DB_OWNER_URL", "AUDIT_DB_READER_URL"}


def vault(*, keep: bool = False) -> Vault:
    return Vault(
        "vault",
        VaultArgs(
            prefix="p/",
            key_alias="alias/p",
            app_role_arn="app",
            watch_role_arn=None,
            operators=["operator"],
            keep=keep,
        ),
    )


def readers(declared: Recording) -> dict[str, list[str]]:
    """Who is not denied an entry's value, by entry."""
    found = {}
    for policy in declared.of(SECRET_POLICY):
        (statement,) = json.loads(policy.inputs["policy"])["Statement"]
        assert (statement["Effect"], statement["Principal"], statement["Resource"]) == ("Deny", "*", "*")
        assert statement["Action"] == "secretsmanager:GetSecretValue"
        ((operator, condition),) = statement["Condition"].items()
        assert (operator, list(condition)) == ("ArnNotEquals", ["aws:PrincipalArn"])
        found[policy.inputs["secretArn"].rpartition("/")[2]] = condition["aws:PrincipalArn"]
    return found


def test_what_is_put_into_the_vault_stays_secret_and_lies_under_its_key() -> None:
    arns: dict[str, str] = {}

    def program() -> pulumi.Output[None]:
        made = Parts().vault
        made.put("GENERATED", pulumi.Output.concat("url:", made.password("database")))
        made.put("PLAIN", "given as plain text")
        return pulumi.Output.all(**made.arns).apply(arns.update)

    declared = record(program)
    versions = {version.name: version for version in declared.of(SECRET_VERSION)}
    assert versions["GENERATED"].inputs["secretString"] == "url:generated-database"
    assert versions["PLAIN"].inputs["secretString"] == "given as plain text"
    assert all("secretString" in version.secrets for version in versions.values())
    for secret in declared.of(SECRET):
        assert secret.inputs["name"] == f"web-next-test/{secret.name}"
        assert secret.inputs["kmsKeyId"].endswith(":Key/vault")
    assert set(arns) == {"GENERATED", "PLAIN"}


def test_the_key_rotates_and_takes_a_month_to_go() -> None:
    declared = record(vault)
    key = declared.one("aws:kms/key:Key").inputs

    assert key["enableKeyRotation"] is True
    assert key["deletionWindowInDays"] == 30
    assert declared.one("aws:kms/alias:Alias").inputs == {"name": "alias/p", "targetKeyId": "vault-key"}


@pytest.mark.parametrize(("kept", "days"), [(True, 30), (False, 0)])
def test_a_kept_secret_can_be_restored_and_the_name_of_one_that_may_go_is_free_at_once(kept: bool, days: int) -> None:
    declared = record(lambda: vault(keep=kept).put("A", "value"))

    assert declared.one(SECRET).inputs["recoveryWindowInDays"] == days


def test_a_generated_password_stands_in_a_url_as_it_is_and_is_secret() -> None:
    seen: list[bool] = []

    def program() -> pulumi.Output[None]:
        secret: Any = vault().password("database").is_secret()
        return pulumi.Output.from_input(secret).apply(seen.append)

    declared = record(program)
    generated = declared.one("random:index/randomPassword:RandomPassword").inputs
    assert (generated["length"], generated["special"]) == (32, False)
    assert seen == [True]


@pytest.mark.parametrize(
    ("config", "operators", "watch"),
    [(FARGATE, OPERATORS, [NAMES.watch_role_arn]), (DOCKER, [f"arn:aws:iam::{ACCOUNT}:root"], [])],
    ids=["fargate", "docker"],
)
def test_the_app_reads_its_own_entries_what_ticks_the_channels_and_the_operators_all_of_them(
    config: dict[str, str], operators: list[str], watch: list[str]
) -> None:
    declared = run(config)

    assert readers(declared) == {
        entry: [NAMES.app_role_arn, *(watch if entry == CHANNEL else []), *operators]
        if entry in APP_SECRETS
        else operators
        for entry in ENTRIES
    }
    assert all(policy.inputs["blockPublicPolicy"] is True for policy in declared.of(SECRET_POLICY))


def test_the_apps_entries_are_the_playbooks_and_neither_the_owners_nor_the_masters() -> None:
    assert APP_SECRETS == ("AUDIT_DB_URL", "REDIS_URL", "SLACK_WEBHOOK_URL")


def test_the_webhooks_entry_is_declared_and_its_value_is_put_there_by_somebody_else() -> None:
    declared = run(FARGATE)

    assert {secret.name for secret in declared.of(SECRET)} == ENTRIES
    assert {version.name for version in declared.of(SECRET_VERSION)} == ENTRIES - {"SLACK_WEBHOOK_URL"}


def test_the_webhooks_entry_begins_with_the_doubles_receiver_and_keeps_what_comes_later() -> None:
    first = run(without(DOCKER, "executorUrl")).one(SECRET_VERSION, "SLACK_WEBHOOK_URL")

    assert first.inputs["secretString"] == "http://10.213.7.12:3010/alerts/receive"
    assert first.ignore_changes == ("secretString",)


def test_without_a_double_the_webhooks_entry_is_empty_locally_too() -> None:
    declared = run(DOCKER)

    assert "SLACK_WEBHOOK_URL" not in {version.name for version in declared.of(SECRET_VERSION)}


ASKED = {"executorAuth": "bearer", "telemetry": {"endpoint": "https://otel.web-next.test", "headers": True}}


def test_an_entry_that_the_settings_ask_for_is_the_apps_and_its_value_is_put_there_by_somebody_else() -> None:
    declared = run(changed(FARGATE, **ASKED))
    asked = {"EXECUTOR_TOKEN", "OTLP_HEADERS"}

    assert {secret.name for secret in declared.of(SECRET)} == ENTRIES | asked
    assert [readers(declared)[entry] for entry in asked] == [[NAMES.app_role_arn, *OPERATORS]] * 2
    assert not asked & {version.name for version in declared.of(SECRET_VERSION)}


def test_the_doubles_token_is_made_and_one_that_comes_later_is_kept() -> None:
    first = run(changed(without(DOCKER, "executorUrl"), **ASKED)).one(SECRET_VERSION, "EXECUTOR_TOKEN")

    assert first.inputs["secretString"] == "generated-executor-token"
    assert "secretString" in first.secrets
    assert first.ignore_changes == ("secretString",)


def test_every_entry_of_the_stack_can_be_found_in_its_outputs() -> None:
    assert set(run(FARGATE).outputs["vault"]) == ENTRIES
