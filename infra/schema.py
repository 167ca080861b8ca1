"""The audit database's schema as a resource: preview compares files with state, up migrates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from cutover import migrator
from cutover.secrets import secret_value
from infra.audit_roles import AuditRoles
from infra.settings import Settings

MIGRATIONS = Path("migrations")


def migration_problems() -> list[str]:
    """What is wrong with the migrations' files, a line each."""
    try:
        migrator.load(MIGRATIONS)
    except migrator.MigrationError as error:
        return [str(error)]
    return []


class _SchemaProvider(ResourceProvider):
    """Runs the migrator. It is given the ARN of the owner's URL and reads the secret itself, when it migrates."""

    def check(self, _olds: Mapping[str, Any], news: Mapping[str, Any]) -> CheckResult:
        try:
            migrator.load(MIGRATIONS)
        except migrator.MigrationError as error:
            return CheckResult(dict(news), [CheckFailure("checksums", str(error))])
        return CheckResult(dict(news), [])

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        before, after = olds.get("checksums") or {}, news["checksums"]
        edited = sorted(name for name in before if name in after and before[name] != after[name])
        if edited:
            raise migrator.MigrationError(
                f"migration {edited[0]} was edited after it was applied: applied migrations never change; "
                "restore it and put the change into a new file"
            )
        return DiffResult(changes=before != after)

    def create(self, props: Mapping[str, Any]) -> CreateResult:
        return CreateResult("schema", self._migrate(props))

    def update(self, _id: str, _olds: Mapping[str, Any], news: Mapping[str, Any]) -> UpdateResult:
        return UpdateResult(self._migrate(news))

    def read(self, id_: str, props: Mapping[str, Any]) -> ReadResult:
        with migrator.connect(_owner_url(props)) as connection:
            applied = migrator.applied(connection)
        checksums = {migration.file: migration.checksum for migration in applied}
        return ReadResult(id_, {**props, "checksums": checksums, **_outputs(applied)})

    def delete(self, _id: str, _props: Mapping[str, Any]) -> None:
        """Data outlives the stack: destroying the schema resource drops nothing."""

    @staticmethod
    def _migrate(props: Mapping[str, Any]) -> dict[str, Any]:
        with migrator.connect(_owner_url(props)) as connection:
            migrator.apply(connection, migrator.load(MIGRATIONS))
            return {**props, **_outputs(migrator.applied(connection))}


def _owner_url(props: Mapping[str, Any]) -> str:
    return secret_value(props["secretArn"], region=props["region"], emulator=props.get("emulator"))


def _outputs(applied: list[migrator.Applied]) -> dict[str, Any]:
    return {
        "version": max((migration.version for migration in applied), default=0),
        "digest": migrator.digest(applied),
    }


@dataclass(frozen=True, kw_only=True)
class SchemaArgs:
    """`secret_arn` holds the URL of the role that migrates; `emulator` is the API's address on docker stacks."""

    secret_arn: pulumi.Input[str]
    region: str
    emulator: str | None

    @classmethod
    def of(cls, settings: Settings, roles: AuditRoles) -> SchemaArgs:
        machine = settings.machine
        return cls(
            secret_arn=roles.owner_url_arn, region=settings.region, emulator=machine.emulator if machine else None
        )


class Schema(Resource, module="web-next", name="Schema"):
    """The applied migrations. Outputs: `version`, the newest's number, and `digest`, over all of them."""

    version: pulumi.Output[int]
    digest: pulumi.Output[str]

    def __init__(self, name: str, args: SchemaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        checksums = {migration.file: migration.checksum for migration in migrator.load(MIGRATIONS)}
        props = {
            "secretArn": args.secret_arn,
            "region": args.region,
            "emulator": args.emulator,
            "checksums": checksums,
            "version": None,
            "digest": None,
        }
        super().__init__(_SchemaProvider(), name, props, opts)
