"""What the audit database holds before its schema: roles, their rights, and how they are reached."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cutover.schema import authorities
from tests.unit.infra.configs import DOCKER, FARGATE, changed
from tests.unit.infra.parts import declare, run
from tests.unit.infra.recorder import Recording, Registered

INSTANCE = "aws:rds/instance:Instance"
ROLE = "postgresql:index/role:Role"
GRANT = "postgresql:index/grant:Grant"
DEFAULT = "postgresql:index/defaultPrivileges:DefaultPrivileges"
SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
SCHEMA = "pulumi-python:dynamic/web-next:Schema"
TUNNEL = changed(FARGATE, database={"access": "tunnel", "tunnelPort": "25432"})
LATER = changed(FARGATE, database={"access": "later"})
HOST = "10.213.7.64:20000"


def inside(declared: Recording) -> list[Registered]:
    """What is declared in the database."""
    return [one for one in declared.registered if one.token.startswith("postgresql:")]


@pytest.mark.parametrize("config", [DOCKER, FARGATE, TUNNEL, LATER], ids=["docker", "direct", "tunnel", "later"])
def test_each_role_has_a_url_and_a_password_of_its_own_in_the_vault(config: Mapping[str, str]) -> None:
    declared = declare("roles", config)
    # A machine's server signs its certificate itself.
    tail = f"@{HOST}/audit?sslmode={'require' if config is DOCKER else 'verify-full'}"
    urls = {version.name: version.inputs["secretString"] for version in declared.of(SECRET_VERSION)}

    assert urls == {
        entry: f"postgresql://{role}:generated-{role.replace('_', '-')}{tail}"
        for entry, role in (
            ("AUDIT_DB_OWNER_URL", "audit_owner"),
            ("AUDIT_DB_URL", "audit_writer"),
            ("AUDIT_DB_READER_URL", "audit_reader"),
        )
    } | {"AUDIT_DB_MASTER_URL": f"postgresql://master:generated-audit-master{tail}"}
    assert all("secretString" in version.secrets for version in declared.of(SECRET_VERSION))


def test_the_database_is_its_owners_and_no_role_is_more_than_a_login_but_the_owner_who_sees_sessions() -> None:
    declared = declare("roles")
    roles = {role.inputs["name"]: role for role in declared.of(ROLE)}

    assert declared.one("postgresql:index/database:Database").inputs["owner"] == "audit_owner"
    assert roles.keys() == {"audit_owner", "audit_writer", "audit_writer_2", "audit_reader"}
    for name, role in roles.items():
        assert role.inputs.keys() == {
            "name",
            "login",
            "password",
            "roles",
            "statementTimeout",
            "idleInTransactionSessionTimeout",
        }, f"{name} may do nothing else"
        assert "password" in role.secrets
        assert role.inputs["idleInTransactionSessionTimeout"] == 60_000
    assert {name: role.inputs["roles"] for name, role in roles.items()} == {
        "audit_owner": ["pg_monitor"],
        "audit_writer": [],
        "audit_writer_2": ["audit_writer"],
        "audit_reader": [],
    }
    assert {name: role.inputs["statementTimeout"] for name, role in roles.items()} == {
        "audit_owner": 0,
        "audit_writer": 60_000,
        "audit_writer_2": 60_000,
        "audit_reader": 600_000,
    }, "a migration may take its time"


def test_each_rotation_gives_the_writer_that_is_not_in_use_a_new_password_and_then_uses_it() -> None:
    """What runs goes on with the other one, whose password stays as it is until the next rotation."""
    seen = []
    for rotation in range(4):
        declared = declare("roles", changed(DOCKER, database={"writerRotation": rotation}))
        passwords = {one.inputs["name"]: one.inputs["password"] for one in declared.of(ROLE)}
        entry = declared.one(SECRET_VERSION, "AUDIT_DB_URL")
        login, _, password = entry.inputs["secretString"].partition("://")[2].partition("@")[0].partition(":")
        assert passwords[login] == password
        assert any(urn.endswith(f"::{login}") for urn in entry.depends_on), "the database knows it before the app does"
        seen.append((login, passwords["audit_writer"], passwords["audit_writer_2"]))

    first, second = "generated-audit-writer", "generated-audit-writer-2"
    assert seen == [
        ("audit_writer", first, second),
        ("audit_writer_2", first, f"{second}-1"),
        ("audit_writer", f"{first}-1", f"{second}-1"),
        ("audit_writer_2", f"{first}-1", f"{second}-2"),
    ]


def test_the_databases_locale_is_the_one_that_rds_and_the_image_both_have() -> None:
    database = declare("roles").one("postgresql:index/database:Database").inputs

    assert (database["encoding"], database["lcCollate"], database["lcCtype"]) == ("UTF8", "C", "C")


def test_the_writer_inserts_and_selects_the_reader_selects_and_nobody_else_gets_anything() -> None:
    declared = declare("roles")

    assert sorted(
        (one.inputs["role"], one.inputs["objectType"], sorted(one.inputs["privileges"])) for one in declared.of(DEFAULT)
    ) == [
        ("audit_reader", "table", ["SELECT"]),
        ("audit_writer", "sequence", ["USAGE"]),
        ("audit_writer", "table", ["INSERT", "SELECT"]),
    ]
    for one in declared.of(DEFAULT):
        assert (one.inputs["owner"], one.inputs["schema"], one.inputs["database"]) == ("audit_owner", "public", "audit")


def test_the_owner_alone_schedules_its_upkeep_and_nothing_is_granted_beside_that() -> None:
    declared = declare("roles")

    assert sorted((one.inputs for one in declared.of(GRANT)), key=lambda inputs: str(inputs["objectType"])) == [
        {
            "role": "audit_owner",
            "database": "postgres",
            "schema": "cron",
            "objectType": "function",
            "objects": ["schedule_in_database"],
            "privileges": ["EXECUTE"],
        },
        {
            "role": "audit_owner",
            "database": "postgres",
            "schema": "cron",
            "objectType": "schema",
            "privileges": ["USAGE"],
        },
    ]
    assert declared.one("postgresql:index/extension:Extension").inputs == {"name": "pg_cron", "database": "postgres"}


@pytest.mark.parametrize(
    ("config", "address", "sslmode"),
    [
        (DOCKER, ("10.213.7.64", "20000"), "require"),
        (FARGATE, ("10.213.7.64", "20000"), "verify-full"),
        (TUNNEL, ("127.0.0.1", "25432"), "verify-ca"),
    ],
    ids=["docker", "direct", "tunnel"],
)
def test_the_database_is_filled_by_the_master_over_tls_at_its_address_or_the_tunnels(
    config: Mapping[str, str], address: tuple[str, str], sslmode: str
) -> None:
    declared = declare("roles", config)
    provider = declared.one("pulumi:providers:postgresql")

    assert (provider.inputs["host"], provider.inputs["port"]) == address
    assert (provider.inputs["username"], provider.inputs["sslmode"]) == ("master", sslmode)
    file = provider.inputs.get("sslrootcert")
    assert file == (None if config is DOCKER else "cutover/schema/rds.pem"), "from the program's folder, on any machine"
    assert file is None or Path(file).samefile(authorities.FILE)
    assert provider.inputs["superuser"] == "false", "RDS has none"
    assert "password" in provider.secrets
    server = declared.one(INSTANCE)
    assert len(inside(declared)) == 11
    for one in inside(declared):
        assert provider.urn in one.provider
        assert server.urn in one.depends_on, "behind a tunnel nothing else says that the server comes first"
        assert one.retain_on_delete, "it goes with the server"


def test_later_fills_the_vault_and_leaves_the_database_empty() -> None:
    declared = run(LATER)

    assert inside(declared) == []
    assert not declared.of("pulumi:providers:postgresql")
    assert not declared.of(SCHEMA)
    assert declared.outputs["schema"] == {"version": 0, "digest": ""}


def test_the_schema_waits_for_roles_rights_and_urls() -> None:
    declared = run(FARGATE)
    entries = [one for one in declared.of(SECRET_VERSION) if one.name in ("AUDIT_DB_URL", "AUDIT_DB_OWNER_URL")]
    first = [*declared.of(GRANT), *declared.of(DEFAULT), *entries]

    assert len(first) == 7
    assert {one.urn for one in first} <= declared.one(SCHEMA).depends_on


@pytest.mark.parametrize(
    ("config", "access"),
    [
        (DOCKER, {"mode": "direct", "emulator": "http://10.213.7.1:4566", "bastion": None, "local_port": None}),
        (FARGATE, {"mode": "direct", "emulator": None, "bastion": None, "local_port": None}),
        (TUNNEL, {"mode": "tunnel", "emulator": None, "bastion": "web-next-test-bastion", "local_port": 25432}),
        (LATER, {"mode": "later", "emulator": None, "bastion": "web-next-test-bastion", "local_port": None}),
    ],
    ids=["docker", "direct", "tunnel", "later"],
)
def test_cutover_is_told_how_to_reach_the_database(config: Mapping[str, str], access: dict[str, Any]) -> None:
    outputs = run(changed(config, auditRetentionMonths="24")).outputs

    owner = {
        "endpoint": HOST,
        "secret_arn": "Secret:AUDIT_DB_OWNER_URL",
        "region": "eu-central-1",
        "retention_months": 24,
    }
    assert outputs["audit_db_access"] == access | owner
    assert "generated-" not in json.dumps(outputs)
