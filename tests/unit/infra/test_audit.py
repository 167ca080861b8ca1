"""The audit database's server: private, encrypted, backed up, and never gone in passing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cutover.schema import authorities
from infra.audit import connection_url, parameters
from infra.settings.instance_classes import max_connections
from tests.unit.infra.configs import DOCKER, FARGATE
from tests.unit.infra.parts import Parts, declare
from tests.unit.infra.recorder import record

INSTANCE = "aws:rds/instance:Instance"


@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_the_server_is_private_and_encrypted_under_the_vaults_key(config: Mapping[str, str]) -> None:
    declared = declare("audit", config)
    server = declared.one(INSTANCE)
    key = server.inputs["kmsKeyId"]

    assert key.endswith(":Key/vault")
    assert server.inputs["storageEncrypted"] is True
    assert server.inputs["performanceInsightsEnabled"] is True
    assert server.inputs["performanceInsightsKmsKeyId"] == key
    assert server.inputs["publiclyAccessible"] is False
    assert server.inputs["vpcSecurityGroupIds"] == ["SecurityGroup:network-database"]
    assert (server.inputs["engine"], server.inputs["engineVersion"]) == ("postgres", "17")
    placed = declared.one("aws:rds/subnetGroup:SubnetGroup").inputs
    assert placed["subnetIds"] == ["Subnet:network-data-eu-central-1a", "Subnet:network-data-eu-central-1b"]
    assert server.inputs["dbSubnetGroupName"] == placed["name"]
    assert "password" in server.secrets


def test_the_servers_settings_arrive_at_the_server() -> None:
    declared = declare(
        "audit",
        database={
            "class": "db.m7g.large",
            "storage": "100",
            "maxStorage": "500",
            "multiAz": "true",
            "backupDays": "35",
        },
        backupWindow="02:00-03:00",
        maintenanceWindow="sat:04:00-sat:05:00",
        applyImmediately="true",
    )
    server = declared.one(INSTANCE).inputs

    wanted = {
        "identifier": "web-next-test-audit",
        "instanceClass": "db.m7g.large",
        "allocatedStorage": 100,
        "maxAllocatedStorage": 500,
        "multiAz": True,
        "backupRetentionPeriod": 35,
        "backupWindow": "02:00-03:00",
        "maintenanceWindow": "sat:04:00-sat:05:00",
        "applyImmediately": True,
        "storageType": "gp3",
    }
    assert {key: server[key] for key in wanted} == wanted


def test_changes_wait_for_the_maintenance_window_and_storage_stays_unless_said() -> None:
    declared = declare("audit")
    server = declared.one(INSTANCE).inputs

    assert server["applyImmediately"] is False
    assert "maxAllocatedStorage" not in server


@pytest.mark.parametrize("name", ["db.t4g.small", "db.m7g.large"])
def test_the_parameters_force_tls_keep_passwords_out_of_the_log_and_fit_the_class(name: str) -> None:
    declared = declare("audit", database={"class": name})
    group = declared.one("aws:rds/parameterGroup:ParameterGroup").inputs

    assert (group["family"], group["name"]) == ("postgres17", "web-next-test-audit-postgres17")
    assert declared.one(INSTANCE).inputs["parameterGroupName"] == group["name"]
    assert {one["name"]: (one["value"], one["applyMethod"]) for one in group["parameters"]} == {
        "rds.force_ssl": ("1", "immediate"),
        "shared_preload_libraries": ("pg_stat_statements,pg_cron", "pending-reboot"),
        "max_connections": (str(max_connections(name)), "pending-reboot"),
        "log_min_error_statement": ("panic", "immediate"),
        "log_min_duration_statement": ("-1", "immediate"),
        "log_lock_waits": ("1", "immediate"),
    }


def test_a_newer_major_version_has_a_parameter_group_beside_that_of_the_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.audit.VERSION", "18")
    declared = record(lambda: Parts(database={"majorUpgrade": "true"}).audit)
    group = declared.one("aws:rds/parameterGroup:ParameterGroup").inputs
    server = declared.one(INSTANCE).inputs

    assert (group["family"], group["name"]) == ("postgres18", "web-next-test-audit-postgres18")
    assert (server["engineVersion"], server["parameterGroupName"]) == ("18", group["name"])


@pytest.mark.parametrize("asked", [False, True])
def test_a_major_upgrade_is_asked_for_and_waits_for_no_window_that_keeps_the_old_group_in_use(asked: bool) -> None:
    server = declare("audit", database={"majorUpgrade": str(asked).lower()}).one(INSTANCE).inputs

    assert (server["allowMajorVersionUpgrade"], server["applyImmediately"]) == (asked, asked)


def test_parameters_that_need_a_restart_are_not_said_to_act_at_once() -> None:
    static = {"shared_preload_libraries", "max_connections"}

    assert {name for name, (_, when) in parameters("db.t4g.small").items() if when == "pending-reboot"} == static


def test_logs_are_exported_into_groups_that_forget() -> None:
    declared = declare("audit", logDays="90")
    server = declared.one(INSTANCE)
    groups = declared.of("aws:cloudwatch/logGroup:LogGroup")

    assert [group.inputs["retentionInDays"] for group in groups] == [90, 90]
    assert server.inputs["enabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    assert [group.inputs["name"] for group in groups] == [
        f"/aws/rds/instance/{server.inputs['identifier']}/{log}" for log in ("postgresql", "upgrade")
    ]
    assert {group.urn for group in groups} <= server.depends_on, "or RDS makes them first, to keep lines for ever"


@pytest.mark.parametrize("kept", [True, False])
def test_the_server_always_ends_with_a_snapshot_and_its_backups_and_only_if_asked_for(kept: bool) -> None:
    declared = declare("audit", mayDestroy=[] if kept else ["audit"])
    server = declared.one(INSTANCE)

    assert server.inputs["skipFinalSnapshot"] is False
    assert server.inputs["finalSnapshotIdentifier"] == "web-next-test-audit-final-0badcafe"
    assert server.inputs["deleteAutomatedBackups"] is False
    assert server.inputs["copyTagsToSnapshot"] is True
    assert (server.protect, server.inputs["deletionProtection"]) == (kept, kept)


def test_a_connection_url_demands_tls() -> None:
    assert connection_url("audit_writer", "abc", "db:5432", "verify-full") == (
        "postgresql://audit_writer:abc@db:5432/audit?sslmode=verify-full"
    )


def test_the_servers_certificate_is_of_the_authorities_that_the_project_has() -> None:
    assert declare("audit").one(INSTANCE).inputs["caCertIdentifier"] == authorities.GROUP
