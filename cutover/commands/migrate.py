"""The commands `cutover migrate`: plan, apply, verify and status of the audit database's schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutover.commands.command import AsJson, Command, absolute, print_json, verbatim
from cutover.errors import MigrationError, StackMissingError, UnreachableError

if TYPE_CHECKING:
    import psycopg

    from cutover.schema.access import AuditDatabase

MIGRATIONS = Path("migrations")

Open = Callable[..., AbstractContextManager["psycopg.Connection"]]
StackOrNone = Annotated[str | None, typer.Option("--stack", "-s", help="the stack's name, such as local or prod")]
UrlFile = Annotated[
    Path | None,
    typer.Option(parser=absolute, metavar="FILE", help="a file that holds a PostgreSQL URL, for any other database"),
]


@dataclass(frozen=True, kw_only=True)
class _Target:
    """A database: how to open it, and the stack's wishes for it if it belongs to one."""

    open: Open
    access: AuditDatabase | None


def add_to(app: typer.Typer) -> None:
    """Adds `migrate` and its own commands to the command line."""
    group = typer.Typer(help="Plan, apply, verify or show the audit database's schema.")
    for command, options in (
        (plan, "-s local"),
        (apply, "-s local --deadline 900"),
        (verify, "-s local --json"),
        (status, "--url-file database.url"),
    ):
        example = f"cutover migrate {command.__name__} {options}"
        group.command(cls=Command, epilog=verbatim("Example", example))(command)
    app.add_typer(group, name="migrate")


def plan(stack: StackOrNone = None, url_file: UrlFile = None, as_json: AsJson = False) -> None:
    """Show what apply would do; writes nothing.

    It reads in a READ ONLY transaction.
    """
    from cutover.schema import migrator

    with _target(stack, url_file).open() as connection:
        planned = migrator.plan(connection, migrator.load(MIGRATIONS))
    repairs = [str(index) for index in planned.invalid]
    if as_json:
        print_json({"pending": [migration.file for migration in planned.pending], "repairs": repairs})
        return
    for index in repairs:
        print(f"  repair   {index}, which is invalid")
    for migration in planned.pending:
        print(f"  apply    {migration.file}{'' if migration.transaction else ', in no transaction'}")
    if not planned.pending and not repairs:
        print("  nothing to do")


def apply(
    stack: StackOrNone = None,
    url_file: UrlFile = None,
    deadline: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="how long to try again or wait for another session's lock, 60 if not given",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Apply what is pending, then schedule the upkeep.

    The upkeep's jobs are a stack's. The command may be repeated at any time.
    """
    from cutover.schema import migrator, upkeep

    target = _target(stack, url_file)
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if not as_json:
            print(f"  {line}", flush=True)

    with target.open() as connection:
        done = migrator.apply(
            connection,
            migrator.load(MIGRATIONS),
            report=report,
            deadline=migrator.DEADLINE if deadline is None else deadline,
        )
        scheduled = []
        if target.access:
            database, months = connection.info.dbname, target.access.retention_months
            try:
                with target.open(database=upkeep.SCHEDULER) as scheduler:
                    scheduled = upkeep.ensure(scheduler, database=database, retention_months=months)
            except UnreachableError as error:  # what was applied stays
                raise MigrationError(str(error)) from None
    if as_json:
        print_json({"applied": [migration.file for migration in done], "scheduled": scheduled, "log": lines})
        return
    for name in scheduled:
        print(f"  job {name} changed")
    if not lines and not scheduled:
        print("  nothing to do")


def verify(stack: StackOrNone = None, url_file: UrlFile = None, as_json: AsJson = False) -> None:
    """Compare the database with its migrations.

    It writes nothing. It looks at ledger, indexes, tables, sequences, functions, partitions and rights; on a stack
    also at the upkeep's jobs, and how they ran last.
    """
    from cutover.schema import migrator, upkeep

    target = _target(stack, url_file)
    with target.open() as connection:
        differences = migrator.verify(connection, MIGRATIONS)
        if target.access:
            database, months = connection.info.dbname, target.access.retention_months
            with target.open(database=upkeep.SCHEDULER) as scheduler:
                differences += upkeep.problems(scheduler, database=database, retention_months=months)
    if as_json:
        print_json({"ok": not differences, "differences": differences})
    for line in () if as_json else differences:
        print(f"  {line}")
    if differences:
        points = "1 point" if len(differences) == 1 else f"{len(differences)} points"
        raise MigrationError(f"the database differs from its migrations in {points}, listed above")
    if not as_json:
        print("  the database is what its migrations promise")


def status(stack: StackOrNone = None, url_file: UrlFile = None, as_json: AsJson = False) -> None:
    """Show what is applied, and how the upkeep fares.

    Prints the ledger, what is pending, the upkeep's jobs and the partitions' runway.
    """
    from cutover.schema import migrator, upkeep

    target = _target(stack, url_file)
    migrations = migrator.load(MIGRATIONS)
    with target.open() as connection:
        done = migrator.applied(connection)
        waiting = migrator.pending(migrations, done)
        kept = None
        if target.access and not waiting:
            with target.open(database=upkeep.SCHEDULER) as scheduler:
                kept = upkeep.status(scheduler, connection)
    if as_json:
        print_json(
            {
                "version": max((row.version for row in done), default=0),
                "digest": migrator.digest(done),
                "applied": [asdict(row) for row in done],
                "pending": [migration.file for migration in waiting],
                "upkeep": asdict(kept) if kept else None,
            }
        )
        return
    for row in done:
        print(f"  applied  {row.file:<32} {row.checksum[:12]}")
    for migration in waiting:
        print(f"  pending  {migration.file:<32} {migration.checksum[:12]}")
    if kept:
        print(f"  runway   {kept.runway} months ahead have a partition")
        for job in kept.jobs:
            ran = f"{job.last_status} {_utc(job.last_run)}" if job.last_run else "has not run yet"
            failed = f"; failed {_utc(job.failed_at)}: {job.last_error}" if job.failed_at else ""
            print(f"  job      {job.name:<18} {job.schedule:<11} {ran}{failed}")


def _target(stack: str | None, url_file: Path | None) -> _Target:
    """The one database that was named. Raises BadParameter unless it was one."""
    from cutover.schema.access import AuditDatabase
    from cutover.stacks.outputs import outputs

    if (stack is None) == (url_file is None):
        raise typer.BadParameter("name one database, by --stack or by --url-file")
    if url_file:
        return _Target(open=partial(_open_url, url_file), access=None)
    assert stack, "one of the two is given"
    access = outputs(stack).read("audit_db_access", AuditDatabase.from_output)
    if access is None:
        raise StackMissingError(
            f"stack {stack} has no output audit_db_access, so no update of this revision has ended well: "
            f"bring it up first, cutover up -s {stack}, or name the database by --url-file"
        )
    return _Target(open=access.open, access=access)


@contextmanager
def _open_url(file: Path, database: str | None = None) -> Iterator[psycopg.Connection]:
    from cutover.schema import migrator

    try:
        url = file.read_text().strip()
    except OSError as error:
        raise MigrationError(f"{file} cannot be read ({error.strerror}): name a file that holds the URL") from None
    except UnicodeDecodeError as error:
        raise MigrationError(f"{file} is no text ({error.reason}): name a file that holds the URL") from None
    if not url:  # libpq would take that for the defaults of whoever types
        raise MigrationError(f"{file} is empty: name a file that holds the URL")
    with migrator.connect(url, database=database) as connection:
        yield connection


def _utc(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
