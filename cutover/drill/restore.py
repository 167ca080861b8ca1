"""The drill: mark, restore, compare. What it found is noted, and the copy is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cutover.drill.backup import Backup, Say
from cutover.drill.mark import Mark
from cutover.evidence.document import RestoreDrill
from cutover.schema import migrator

if TYPE_CHECKING:
    from cutover.schema.access import AuditDatabase
    from outputs.access import DatabaseAccess


def backup_of(access: DatabaseAccess) -> Backup:
    """The backups of a stack's audit database: base backups on a machine, RDS' own on AWS."""
    from cutover.drill.base_backup import BaseBackup
    from cutover.drill.rds_backup import RdsBackup

    return BaseBackup.of(access) if access.emulator else RdsBackup.of(access)


def drill(
    access: AuditDatabase,
    backup: Backup,
    migrations: Path,
    say: Say,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> RestoreDrill:
    """What a restore of the audit database came to. `access` is its owner's.

    Raises CutoverError where there is nothing to compare: no backup, or a server that does not answer.
    """
    with access.open() as connection:
        mark = Mark.of(connection)
        version = max((row.version for row in migrator.applied(connection)), default=0)
    say(f"{mark.rows} entries are to be there, and schema {version}")
    began = time.monotonic()
    with backup.restored(mark.at, say) as endpoint:
        seconds = time.monotonic() - began
        say(f"a second server answers after {seconds:.0f} s")
        with replace(access, endpoint=endpoint).open() as connection:
            differences = mark.differences(Mark.up_to_entry(connection, mark.up_to))
            differences += migrator.verify(connection, migrations)
    return RestoreDrill(
        at=now(), seconds=round(seconds, 1), rows=mark.rows, schema_version=version, differences=differences
    )
