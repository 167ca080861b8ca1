"""The audit database's server. What is inside it is in `infra/audit_roles.py` and `migrations/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from cutover.schema import authorities
from infra.naming import WORDING, Names
from infra.network import Network
from infra.settings.instance_classes import max_connections
from infra.settings.keys import Settings
from infra.vault import Vault

SslMode = Literal["require", "verify-ca", "verify-full"]
DATABASE = "audit"
VERSION = "17"
"""Postgres' major version; a newer one needs `database.majorUpgrade` where a server runs."""
MASTER = "master"
LOGS = ("postgresql", "upgrade")


def connection_url(role: str, password: str, endpoint: str, sslmode: SslMode) -> str:
    """A PostgreSQL URL over TLS; `endpoint` is host:port, and `password` needs no quoting."""
    return f"postgresql://{role}:{password}@{endpoint}/{DATABASE}?sslmode={sslmode}"


def parameters(instance_class: str) -> dict[str, tuple[str, str]]:
    """The server's parameters: value, and when it takes effect. Static ones wait for a restart."""
    return {
        "rds.force_ssl": ("1", "immediate"),
        # pg_cron runs the partitions' upkeep (docs/decisions/008-upkeep-by-pg-cron.md).
        "shared_preload_libraries": ("pg_stat_statements,pg_cron", "pending-reboot"),
        "max_connections": (str(max_connections(instance_class)), "pending-reboot"),
        # A failing or slow CREATE ROLE would put its password into the log, which is exported.
        "log_min_error_statement": ("panic", "immediate"),
        "log_min_duration_statement": ("-1", "immediate"),
        "log_lock_waits": ("1", "immediate"),
    }


@dataclass(frozen=True, kw_only=True)
class AuditArgs:
    """`identifier` is the instance's; storage is in GiB, grown up to `max_storage` (None: never).

    `keep` stops deletion in AWS and in Pulumi. `subnet_ids` lie in two zones or more; `group_id` is the security
    group. Windows are in UTC. `major_upgrade` lets the server go to a newer major version, at once.
    `sslmode` is what the URLs demand of the server's certificate.
    """

    identifier: str
    instance_class: str
    storage: int
    max_storage: int | None
    multi_az: bool
    backup_days: int
    backup_window: str
    maintenance_window: str
    apply_immediately: bool
    major_upgrade: bool
    log_days: int
    keep: bool
    subnet_ids: Sequence[pulumi.Input[str]]
    group_id: pulumi.Input[str]
    vault: Vault
    sslmode: SslMode

    @classmethod
    def of(cls, settings: Settings, names: Names, network: Network, vault: Vault) -> AuditArgs:
        return cls(
            identifier=f"{names.prefix}-audit",
            instance_class=settings.database.instance_class,
            storage=settings.database.storage,
            max_storage=settings.database.max_storage,
            multi_az=settings.database.multi_az,
            backup_days=settings.database.backup_days,
            backup_window=settings.backup_window,
            maintenance_window=settings.maintenance_window,
            apply_immediately=settings.apply_immediately,
            major_upgrade=settings.database.major_upgrade,
            log_days=settings.log_days,
            keep=settings.keeps("audit"),
            subnet_ids=network.subnet_ids["data"],
            group_id=network.database.id,
            vault=vault,
            # A machine's server signs its certificate itself.
            sslmode="require" if settings.machine else "verify-full",
        )


class Audit(pulumi.ComponentResource):
    """RDS for PostgreSQL: encrypted, private, TLS only, backed up, its logs exported, a final snapshot at its end.

    The master's URL is the vault entry AUDIT_DB_MASTER_URL.
    """

    instance: aws.rds.Instance
    endpoint: pulumi.Output[str]
    master_password: pulumi.Output[str]
    log_group: aws.cloudwatch.LogGroup
    """Where the server's own log goes."""

    def __init__(self, name: str, args: AuditArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:data:Audit", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.master_password = args.vault.password("audit-master")
        # RDS would make the groups itself when it first writes, and keep every line for ever.
        logs = [
            aws.cloudwatch.LogGroup(
                f"{name}-{log}",
                name=f"/aws/rds/instance/{args.identifier}/{log}",
                retention_in_days=args.log_days,
                opts=child,
            )
            for log in LOGS
        ]
        self.log_group = logs[0]
        placed = aws.rds.SubnetGroup(
            name,
            name=args.identifier,
            description="Data subnets of the audit database",
            subnet_ids=args.subnet_ids,
            opts=child,
        )
        family = f"postgres{VERSION}"
        group = aws.rds.ParameterGroup(
            name,
            # With its family changes its name: the group of before cannot go while the server still uses it.
            name=f"{args.identifier}-{family}",
            family=family,
            description="Audit database: TLS only, upkeep by pg_cron",
            parameters=[
                aws.rds.ParameterGroupParameterArgs(name=parameter, value=value, apply_method=when)
                for parameter, (value, when) in parameters(args.instance_class).items()
            ],
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=WORDING),
        )
        # A second end of the stack must not collide with the snapshot of the first.
        ending = random.RandomId(f"{name}-final", byte_length=4, opts=child)
        self.instance = aws.rds.Instance(
            name,
            identifier=args.identifier,
            engine="postgres",
            engine_version=VERSION,
            instance_class=args.instance_class,
            allocated_storage=args.storage,
            max_allocated_storage=args.max_storage,
            storage_type="gp3",
            storage_encrypted=True,
            kms_key_id=args.vault.key.arn,
            multi_az=args.multi_az,
            publicly_accessible=False,
            db_subnet_group_name=placed.name,
            vpc_security_group_ids=[args.group_id],
            ca_cert_identifier=authorities.GROUP,
            username=MASTER,
            password=self.master_password,
            parameter_group_name=group.name,
            backup_retention_period=args.backup_days,
            backup_window=args.backup_window,
            maintenance_window=args.maintenance_window,
            delete_automated_backups=False,
            copy_tags_to_snapshot=True,
            deletion_protection=args.keep,
            skip_final_snapshot=False,
            final_snapshot_identifier=ending.hex.apply(lambda text: f"{args.identifier}-final-{text}"),
            enabled_cloudwatch_logs_exports=list(LOGS),
            performance_insights_enabled=True,
            performance_insights_retention_period=7,
            performance_insights_kms_key_id=args.vault.key.arn,
            auto_minor_version_upgrade=True,
            allow_major_version_upgrade=args.major_upgrade,
            # Until the new version runs, the parameter group of the old one cannot be deleted.
            apply_immediately=args.apply_immediately or args.major_upgrade,
            opts=pulumi.ResourceOptions(parent=self, protect=args.keep, depends_on=logs),
        )
        self.endpoint = self.instance.endpoint
        self._sslmode: SslMode = args.sslmode
        args.vault.put("AUDIT_DB_MASTER_URL", self.url(MASTER, self.master_password))
        self.register_outputs({"endpoint": self.endpoint})

    def url(self, role: str, password: pulumi.Output[str]) -> pulumi.Output[str]:
        """The URL of a role."""
        return pulumi.Output.all(password, self.endpoint).apply(
            lambda known: connection_url(role, known[0], known[1], self._sslmode)
        )
