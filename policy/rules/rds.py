"""The audit database's server."""

from __future__ import annotations

from collections.abc import Iterator

from policy.resources import Resource, Stack
from policy.rule import rule

INSTANCE = "aws:rds/instance:Instance"
LEAST_BACKUP_DAYS = 7
"""FSBP RDS.11."""


@rule(
    "rds-encrypted",
    INSTANCE,
    severity="high",
    covers=["FSBP RDS.3", "FSBP RDS.4", "CIS 2.3.1"],
    todo="set storage_encrypted and kms_key_id; a server that runs is replaced by it, so restore a snapshot into it",
)
def encrypted(server: Resource, _stack: Stack) -> Iterator[str]:
    """A database is encrypted at rest under a key of our own"""
    if server.get("storageEncrypted") is not True:
        yield f"storageEncrypted {server.get('storageEncrypted')}"
    elif not server.under_own_key("kmsKeyId"):
        yield "AWS' own key, which nobody here can withdraw"
    if server.get("performanceInsightsEnabled") and not server.under_own_key("performanceInsightsKmsKeyId"):
        yield "AWS' own key for the statements that Performance Insights keeps"


@rule(
    "rds-private",
    INSTANCE,
    severity="high",
    covers=["FSBP RDS.2", "CIS 2.3.3"],
    todo="set publicly_accessible to False and db_subnet_group_name to subnets without a route out",
)
def private(server: Resource, _stack: Stack) -> Iterator[str]:
    """A database has no address on the internet"""
    if server.get("publiclyAccessible") is not False:
        yield f"publiclyAccessible {server.get('publiclyAccessible')}"
    if "dbSubnetGroupName" not in server.inputs:
        yield "no subnet group: the default VPC's subnets, which are public"


@rule(
    "rds-tls-forced",
    INSTANCE,
    severity="high",
    covers=["AWS RDS.38"],
    todo="set rds.force_ssl to 1 in the server's parameter group",
)
def tls_forced(server: Resource, stack: Stack) -> Iterator[str]:
    """A database refuses a connection without TLS"""
    groups = stack.behind(server, "parameterGroupName", "aws:rds/parameterGroup:ParameterGroup")
    for group in groups:
        values = {one["name"]: one["value"] for one in group.all("parameters")}
        if values.get("rds.force_ssl") != "1":
            yield f"rds.force_ssl {values.get('rds.force_ssl')} in {group.name}"
    if not groups:
        yield "no parameter group of this stack"


@rule(
    "rds-kept",
    INSTANCE,
    severity="high",
    covers=["FSBP RDS.8", "FSBP RDS.11"],
    todo=f"set deletion_protection and {LEAST_BACKUP_DAYS} days of backups, and keep these and a final snapshot",
)
def kept(server: Resource, stack: Stack) -> Iterator[str]:
    """A database is not deleted in passing, leaves its backups, and can be put back to any minute of a week"""
    stays = {"deletionProtection": True, "skipFinalSnapshot": False, "deleteAutomatedBackups": False}
    for setting, wanted in stays.items() if stack.keeps(server.name) else ():
        if server.get(setting) is not wanted:
            yield f"{setting} {server.get(setting)}"
    if (days := server.get("backupRetentionPeriod") or 0) < LEAST_BACKUP_DAYS:
        yield f"backupRetentionPeriod {days:g}"


@rule(
    "rds-looked-after",
    INSTANCE,
    severity="medium",
    covers=["FSBP RDS.9", "FSBP RDS.13", "FSBP RDS.17", "FSBP RDS.36", "CIS 2.3.2"],
    todo="export the postgresql log, take minor versions by themselves, and copy the tags to snapshots",
)
def looked_after(server: Resource, _stack: Stack) -> Iterator[str]:
    """A database's log is kept, its minor versions come by themselves, and its snapshots say whose they are"""
    if "postgresql" not in server.all("enabledCloudwatchLogsExports"):
        yield "the postgresql log is not exported"
    for setting in ("autoMinorVersionUpgrade", "copyTagsToSnapshot"):
        if server.get(setting) is not True:
            yield f"{setting} {server.get(setting)}"
