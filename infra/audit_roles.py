"""What the audit database holds before its schema: the database, its roles and their rights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_postgresql as postgresql

from infra.audit import DATABASE, MASTER, Audit
from infra.bastion import Bastion
from infra.providers import postgresql_provider
from infra.settings.keys import Settings
from infra.shapes import later
from infra.vault import Vault
from outputs.access import DatabaseAccess, Mode

OWNER, WRITER, READER = "audit_owner", "audit_writer", "audit_reader"
SECOND_WRITER = "audit_writer_2"
"""Has the writer's rights by being its member. One of the two is in use; a rotation gives the other a new password."""
ENTRIES = {OWNER: "AUDIT_DB_OWNER_URL", WRITER: "AUDIT_DB_URL", READER: "AUDIT_DB_READER_URL"}
"""Each role's vault entry; the writer's has the URL of the one that is in use."""
RIGHTS: dict[str, dict[str, tuple[str, ...]]] = {
    WRITER: {"table": ("INSERT", "SELECT"), "sequence": ("USAGE",)},
    READER: {"table": ("SELECT",)},
}
"""Default privileges on all that the owner makes in the schema public; the migrator's ledger lies in its own."""
LOCALE = "C"
"""How the database sorts and classifies text: by bytes, the one locale that every server has, whatever its system."""
MINUTE = 60_000
"""Milliseconds."""


@dataclass(frozen=True, kw_only=True)
class AuditRolesArgs:
    """`access` is how whoever deploys gets into the database: by the server's own address, by `tunnel`, host and port
    of a forwarded connection, or later: then the roles' URLs are in the vault, and nothing is in the database.

    `emulator` is the API's address on docker stacks; entries are kept for ever without `retention_months`. `keep`
    refuses the roles' end. `writer_rotation` counts how often the app's password was changed.
    """

    audit: Audit
    vault: Vault
    access: Mode
    tunnel: tuple[str, int] | None
    region: str
    emulator: str | None
    retention_months: int | None
    keep: bool
    writer_rotation: int

    @property
    def writers(self) -> dict[str, int]:
        """The generation of each writer's password; the one in use comes first."""
        generations = {WRITER: self.writer_rotation // 2, SECOND_WRITER: (self.writer_rotation + 1) // 2}
        return dict(sorted(generations.items(), reverse=self.writer_rotation % 2 == 1))

    @classmethod
    def of(cls, settings: Settings, audit: Audit, vault: Vault) -> AuditRolesArgs:
        return cls(
            audit=audit,
            vault=vault,
            access=settings.database.access,
            tunnel=settings.database.tunnel,
            region=settings.region,
            emulator=settings.emulator,
            retention_months=settings.audit_retention_months,
            keep=settings.keeps("audit"),
            writer_rotation=settings.database.writer_rotation,
        )


class AuditRoles(pulumi.ComponentResource):
    """The database `audit`; its owner, who migrates; its writer, the app; its reader, for people; pg_cron, which
    runs the owner's upkeep.

    Destroying the stack drops none of it: it goes with the server, whose end is asked for by name.
    """

    urls: dict[str, aws.secretsmanager.SecretVersion]
    """The vault entry of each role."""
    rights: list[pulumi.Resource]
    """What must be there before anybody connects; empty with access `later`."""

    def __init__(self, name: str, args: AuditRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:data:AuditRoles", name, None, opts)
        generations = {OWNER: 0, READER: 0, **args.writers}
        passwords = {role: args.vault.password(role.replace("_", "-"), each) for role, each in generations.items()}
        self.rights = []
        self._args = args
        roles: dict[str, postgresql.Role] = {}
        if args.access != "later":
            host, port = args.tunnel or (args.audit.instance.address, args.audit.instance.port)
            provider = postgresql_provider(
                name,
                host=host,
                port=port,
                username=MASTER,
                password=args.audit.master_password,
                # It connects to one name and checks that; a tunnel's end has another than the server.
                sslmode="require" if args.emulator else "verify-ca" if args.tunnel else "verify-full",
            )
            # Without the server there is nothing to forward to, whichever way the provider goes.
            self._inside = pulumi.ResourceOptions(
                parent=self,
                provider=provider,
                depends_on=[args.audit.instance],
                retain_on_delete=True,
                protect=args.keep,
            )
            roles = self._fill(name, passwords)
        # A password is in the vault once the database knows it: the app takes up what is there within a minute.
        in_use = {OWNER: OWNER, WRITER: next(iter(args.writers)), READER: READER}
        self.urls = {
            role: args.vault.put(
                ENTRIES[role], args.audit.url(login, passwords[login]), after=[roles[login]] if roles else []
            )
            for role, login in in_use.items()
        }
        self.register_outputs({})

    @property
    def before_schema(self) -> pulumi.ResourceOptions:
        """For whatever the owner makes: roles and rights first, so that default privileges apply to it."""
        return pulumi.ResourceOptions(depends_on=[*self.rights, *self.urls.values()])

    def access(self, bastion: Bastion | None, role: str = OWNER) -> DatabaseAccess:
        """How cutover reaches the database: as its owner for the schema, as its reader for whoever only looks."""
        args = self._args
        return DatabaseAccess(
            mode=args.access,
            endpoint=later(args.audit.endpoint),
            secret_arn=later(self.urls[role].secret_id),
            region=args.region,
            emulator=args.emulator,
            bastion=later(bastion.group.name) if bastion else None,
            local_port=args.tunnel[1] if args.tunnel else None,
            retention_months=args.retention_months,
        )

    def _fill(self, name: str, passwords: dict[str, pulumi.Output[str]]) -> dict[str, postgresql.Role]:
        roles = {
            # Who blocks a migration can be named only by who may see other sessions.
            OWNER: self._role(OWNER, passwords[OWNER], statement_timeout=0, member_of=["pg_monitor"]),
            # The app's statements end after two seconds by its own setting; this is the bound on one that lacks it.
            WRITER: self._role(WRITER, passwords[WRITER], statement_timeout=MINUTE),
            READER: self._role(READER, passwords[READER], statement_timeout=10 * MINUTE),
        }
        roles[SECOND_WRITER] = self._role(
            SECOND_WRITER, passwords[SECOND_WRITER], statement_timeout=MINUTE, member_of=[WRITER], after=[roles[WRITER]]
        )
        database = postgresql.Database(
            name,
            name=DATABASE,
            owner=roles[OWNER].name,
            encoding="UTF8",
            lc_collate=LOCALE,
            lc_ctype=LOCALE,
            opts=self._inside,
        )
        for role, rights in RIGHTS.items():
            for objects, privileges in rights.items():
                self.rights.append(
                    self._default(f"{name}-{role}-{objects}s", roles, role, objects, privileges, database)
                )
        cron = postgresql.Extension(f"{name}-cron", name="pg_cron", database="postgres", opts=self._inside)
        for objects, right, named in (("schema", "USAGE", None), ("function", "EXECUTE", ["schedule_in_database"])):
            self.rights.append(
                postgresql.Grant(
                    f"{name}-cron-{objects}",
                    role=roles[OWNER].name,
                    database=cron.database,
                    schema="cron",
                    object_type=objects,
                    objects=named,
                    privileges=[right],
                    opts=self._inside,
                )
            )
        return roles

    def _role(
        self,
        role: str,
        password: pulumi.Output[str],
        *,
        statement_timeout: int,
        member_of: Sequence[str] = (),
        after: Sequence[pulumi.Resource] = (),
    ) -> postgresql.Role:
        return postgresql.Role(
            role,
            name=role,
            login=True,
            password=password,
            roles=list(member_of),
            statement_timeout=statement_timeout,
            idle_in_transaction_session_timeout=MINUTE,
            opts=pulumi.ResourceOptions.merge(self._inside, pulumi.ResourceOptions(depends_on=[*after])),
        )

    def _default(
        self,
        name: str,
        roles: dict[str, postgresql.Role],
        role: str,
        objects: str,
        privileges: Sequence[str],
        database: postgresql.Database,
    ) -> postgresql.DefaultPrivileges:
        return postgresql.DefaultPrivileges(
            name,
            role=roles[role].name,
            owner=roles[OWNER].name,
            database=database.name,
            schema="public",
            object_type=objects,
            privileges=list(privileges),
            opts=self._inside,
        )
