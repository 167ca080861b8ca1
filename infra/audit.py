"""The audit database: the server, its database and roles, and the addresses by which each role reaches it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_postgresql as postgresql

from infra.naming import Names
from infra.providers import postgresql_provider
from infra.settings import Settings
from infra.vault import Vault

DATABASE = "audit"
MASTER = "master"
OWNER = "audit_owner"
WRITER = "audit_writer"


def connection_url(role: str, password: str, endpoint: str) -> str:
    """A PostgreSQL URL over TLS; `endpoint` is host:port, and `password` needs no quoting."""
    return f"postgresql://{role}:{password}@{endpoint}/{DATABASE}?sslmode=require"


@dataclass(frozen=True, kw_only=True)
class AuditArgs:
    """`identifier` is the instance's; `storage` is in GiB; `protect` stops deletion in AWS and in Pulumi."""

    identifier: str
    instance_class: str
    storage: int
    protect: bool
    vault: Vault

    @classmethod
    def of(cls, settings: Settings, names: Names, vault: Vault) -> AuditArgs:
        return cls(
            identifier=f"{names.prefix}-audit",
            instance_class=settings.database_class,
            storage=settings.database_storage,
            protect=settings.keeps_data,
            vault=vault,
        )


class Audit(pulumi.ComponentResource):
    """RDS Postgres 17 with the database `audit`, its owner, who migrates, and its writer, the app.

    The owner's and the writer's URLs are vault entries, AUDIT_DB_OWNER_URL and AUDIT_DB_URL.
    """

    instance: aws.rds.Instance
    endpoint: pulumi.Output[str]
    owner_url_arn: pulumi.Output[str]
    ready: list[pulumi.Resource]

    def __init__(self, name: str, args: AuditArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:data:Audit", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        master_password = args.vault.password("audit-master")
        parameters = aws.rds.ParameterGroup(
            name,
            name=args.identifier,
            family="postgres17",
            description="Audit database: TLS only",
            parameters=[aws.rds.ParameterGroupParameterArgs(name="rds.force_ssl", value="1")],
            opts=child,
        )
        self.instance = aws.rds.Instance(
            name,
            identifier=args.identifier,
            engine="postgres",
            engine_version="17",
            instance_class=args.instance_class,
            allocated_storage=args.storage,
            storage_type="gp3",
            storage_encrypted=True,
            publicly_accessible=False,
            username=MASTER,
            password=master_password,
            parameter_group_name=parameters.name,
            backup_retention_period=7,
            copy_tags_to_snapshot=True,
            deletion_protection=args.protect,
            skip_final_snapshot=not args.protect,
            final_snapshot_identifier=f"{args.identifier}-final" if args.protect else None,
            auto_minor_version_upgrade=True,
            apply_immediately=True,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        self.endpoint = self.instance.endpoint
        args.vault.put("AUDIT_DB_MASTER_URL", self._url(MASTER, master_password))

        provider = postgresql_provider(
            name,
            host=self.instance.address,
            port=self.instance.port,
            username=MASTER,
            password=master_password,
        )
        inside = pulumi.ResourceOptions(parent=self, provider=provider)
        owner, owner_url = self._role(OWNER, args.vault, "AUDIT_DB_OWNER_URL", inside)
        writer, writer_url = self._role(WRITER, args.vault, "AUDIT_DB_URL", inside)
        database = postgresql.Database(
            name, name=DATABASE, owner=owner.name, encoding="UTF8", lc_collate="C.UTF-8", opts=inside
        )
        rights = [
            postgresql.DefaultPrivileges(
                f"{name}-writer-{object_type}s",
                role=writer.name,
                owner=owner.name,
                database=database.name,
                schema="public",
                object_type=object_type,
                privileges=privileges,
                opts=inside,
            )
            for object_type, privileges in (("table", ["INSERT", "SELECT"]), ("sequence", ["USAGE"]))
        ]
        self.owner_url_arn = args.vault.arns["AUDIT_DB_OWNER_URL"]
        self.ready = [owner_url, writer_url, *rights]
        self.register_outputs({"endpoint": self.endpoint})

    def _role(
        self, role: str, vault: Vault, entry: str, opts: pulumi.ResourceOptions
    ) -> tuple[postgresql.Role, aws.secretsmanager.SecretVersion]:
        password = vault.password(role.replace("_", "-"))
        created = postgresql.Role(role, name=role, login=True, password=password, opts=opts)
        return created, vault.put(entry, self._url(role, password))

    def _url(self, role: str, password: pulumi.Output[str]) -> pulumi.Output[str]:
        return pulumi.Output.all(password, self.endpoint).apply(lambda known: connection_url(role, known[0], known[1]))
