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

from cutover.schema import AuditDatabase, migrator, upkeep
from infra.settings.keys import Settings
from infra.shapes import later
from outputs.access import DatabaseAccess
from outputs.schema import MODULE, NAME, AppliedSchema

MIGRATIONS = Path("migrations")
_INPUTS = ("access", "checksums", "upkeep")


def migration_problems() -> list[str]:
    """What is wrong with the migrations' files, a line each; nothing is run."""
    return migrator.problems(MIGRATIONS)


def required_version() -> int:
    """The version that a release of this checkout requires: its newest migration's number, 0 without any."""
    return max((migration.version for migration in migrator.load(MIGRATIONS)), default=0)


class _SchemaProvider(ResourceProvider):
    """Runs the migrator. It is told where the owner's URL is and reads the secret itself, when it migrates."""

    def check(self, _olds: Mapping[str, Any], news: Mapping[str, Any]) -> CheckResult:
        failures = [CheckFailure("checksums", problem) for problem in migration_problems()]
        return CheckResult(dict(news), failures)

    def diff(self, _id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> DiffResult:
        migrator.require_unedited(MIGRATIONS, olds.get("checksums") or {})
        return DiffResult(changes=any(olds.get(name) != news.get(name) for name in _INPUTS))

    def create(self, props: Mapping[str, Any]) -> CreateResult:
        return CreateResult("schema", self._migrate(props))

    def update(self, _id: str, _olds: Mapping[str, Any], news: Mapping[str, Any]) -> UpdateResult:
        return UpdateResult(self._migrate(news))

    def read(self, id_: str, props: Mapping[str, Any]) -> ReadResult:
        if "access" not in props:  # an older revision's state; the update that follows looks for itself
            return ReadResult(id_, dict(props))
        access = AuditDatabase.from_output(props["access"])
        with access.open() as connection:
            applied, database = migrator.applied(connection), connection.info.dbname
        with access.open(database=upkeep.SCHEDULER) as scheduler:
            jobs = upkeep.scheduled(scheduler, database=database)
        checksums = {migration.file: migration.checksum for migration in applied}
        return ReadResult(id_, {**props, "checksums": checksums, "upkeep": jobs, **_applied(applied).output()})

    def delete(self, _id: str, _props: Mapping[str, Any]) -> None:
        """Data outlives the stack: destroying the schema resource drops nothing."""

    @staticmethod
    def _migrate(props: Mapping[str, Any]) -> dict[str, Any]:
        access = AuditDatabase.from_output(props["access"])
        with access.open() as connection:
            migrator.apply(connection, migrator.load(MIGRATIONS))
            applied, database = migrator.applied(connection), connection.info.dbname
        with access.open(database=upkeep.SCHEDULER) as scheduler:
            upkeep.ensure(scheduler, database=database, retention_months=access.retention_months)
        return {**props, **_applied(applied).output()}


def _applied(applied: list[migrator.Applied]) -> AppliedSchema:
    newest = max((migration.version for migration in applied), default=0)
    return AppliedSchema(version=newest, digest=migrator.digest(applied))


@dataclass(frozen=True, kw_only=True)
class SchemaArgs:
    """`access` is how the owner reaches the database; entries are kept for `retention_months`, or for ever."""

    access: DatabaseAccess
    retention_months: int | None

    @classmethod
    def of(cls, settings: Settings, access: DatabaseAccess) -> SchemaArgs:
        return cls(access=access, retention_months=settings.audit_retention_months)


class Schema(Resource, module=MODULE, name=NAME):
    """The applied migrations and the jobs that keep what they made. Outputs: `version`, the newest's number, and
    `digest`, over all of them."""

    version: pulumi.Output[int]
    digest: pulumi.Output[str]

    def __init__(self, name: str, args: SchemaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        props = {
            "access": args.access.output(),
            "checksums": {migration.file: migration.checksum for migration in migrator.load(MIGRATIONS)},
            "upkeep": upkeep.described(upkeep.jobs(args.retention_months)),
            "version": None,
            "digest": None,
        }
        super().__init__(_SchemaProvider(), name, props, opts)

    @property
    def applied(self) -> AppliedSchema:
        """Both as the stack's output has them."""
        return AppliedSchema(version=later(self.version), digest=later(self.digest))
