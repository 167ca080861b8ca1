"""The command `cutover migrate`: plan, apply, verify and status of the audit database's schema."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from cutover.errors import MigrationError, StackMissingError
from cutover.schema import migrator, upkeep
from cutover.schema.access import DatabaseAccess
from cutover.stacks.stack import Stack

MIGRATIONS = Path("migrations")

Open = Callable[..., AbstractContextManager[psycopg.Connection]]


@dataclass(frozen=True, kw_only=True)
class _Target:
    """A database: how to open it, and the stack's wishes for it if it belongs to one."""

    open: Open
    access: DatabaseAccess | None


def add_to(commands: Any) -> None:
    """Adds `migrate` and its own commands to the command line."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "migrate", help="plan, apply, verify or show the audit database's schema", description=__doc__
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, command, text in (
        ("plan", plan, "what apply would do; writes nothing"),
        ("apply", apply, "apply what is pending, then schedule the upkeep"),
        ("verify", verify, "compare the database with what the migrations promise; writes nothing"),
        ("status", status, "what is applied, what is pending, how the upkeep fares"),
    ):
        added = actions.add_parser(name, help=text, description=command.__doc__)
        added.set_defaults(command=command)
        where = added.add_mutually_exclusive_group(required=True)
        where.add_argument("-s", "--stack", help="the stack's name, such as local or prod")
        where.add_argument(
            "--url-file",
            type=_absolute,
            metavar="FILE",
            help="a file that holds a PostgreSQL URL, for any other database",
        )
        added.add_argument("--json", action="store_true", help="print JSON")
        if name == "apply":
            added.add_argument(
                "--deadline",
                type=float,
                default=migrator.DEADLINE,
                metavar="SECONDS",
                help="how long to try again when another session holds a lock (default %(default)g)",
            )


def plan(options: argparse.Namespace) -> None:
    """Shows what apply would do now. Reads in a READ ONLY transaction."""
    with _target(options).open() as connection:
        planned = migrator.plan(connection, migrator.load(MIGRATIONS))
    repairs = [str(index) for index in planned.invalid]
    if options.json:
        _print_json({"pending": [migration.file for migration in planned.pending], "repairs": repairs})
        return
    for index in repairs:
        print(f"  repair   {index}, which is invalid")
    for migration in planned.pending:
        print(f"  apply    {migration.file}{'' if migration.transaction else ', in no transaction'}")
    if not planned.pending and not repairs:
        print("  nothing to do")


def apply(options: argparse.Namespace) -> None:
    """Applies what is pending. On a stack it then schedules the upkeep jobs. May be repeated at any time."""
    target = _target(options)
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if not options.json:
            print(f"  {line}", flush=True)

    with target.open() as connection:
        done = migrator.apply(connection, migrator.load(MIGRATIONS), report=report, deadline=options.deadline)
        scheduled = []
        if target.access:
            database, months = connection.info.dbname, target.access.retention_months
            with target.open(database=upkeep.SCHEDULER) as scheduler:
                scheduled = upkeep.ensure(scheduler, database=database, retention_months=months)
    if options.json:
        _print_json({"applied": [migration.file for migration in done], "scheduled": scheduled, "log": lines})
        return
    for name in scheduled:
        print(f"  job {name} changed")
    if not lines and not scheduled:
        print("  nothing to do")


def verify(options: argparse.Namespace) -> None:
    """Compares ledger, indexes, tables, functions and partitions with what the migrations promise; on a stack also
    the upkeep's jobs, and how they ran last."""
    target = _target(options)
    with target.open() as connection:
        differences = migrator.verify(connection, MIGRATIONS)
        if target.access:
            database, months = connection.info.dbname, target.access.retention_months
            with target.open(database=upkeep.SCHEDULER) as scheduler:
                differences += upkeep.problems(scheduler, database=database, retention_months=months)
    if options.json:
        _print_json({"ok": not differences, "differences": differences})
    for line in () if options.json else differences:
        print(f"  {line}")
    if differences:
        points = "1 point" if len(differences) == 1 else f"{len(differences)} points"
        raise MigrationError(f"the database differs from its migrations in {points}, listed above")
    if not options.json:
        print("  the database is what its migrations promise")


def status(options: argparse.Namespace) -> None:
    """Shows the ledger, what is pending, the upkeep's jobs and the partitions' runway."""
    target = _target(options)
    migrations = migrator.load(MIGRATIONS)
    with target.open() as connection:
        done = migrator.applied(connection)
        waiting = migrator.pending(migrations, done)
        kept = None
        if target.access and not waiting:
            with target.open(database=upkeep.SCHEDULER) as scheduler:
                kept = upkeep.status(scheduler, connection)
    if options.json:
        _print_json(
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


def _target(options: argparse.Namespace) -> _Target:
    if options.url_file:
        return _Target(open=partial(_open_url, options.url_file), access=None)
    value = Stack(options.stack).outputs().get("audit_db_access")
    if value is None:
        raise StackMissingError(
            f"stack {options.stack} has no output audit_db_access, so no update of this revision has ended well: "
            "bring it up first, make up, or name the database by --url-file"
        )
    access = DatabaseAccess.from_output(value)
    return _Target(open=access.open, access=access)


@contextmanager
def _open_url(file: Path, database: str | None = None) -> Iterator[psycopg.Connection]:
    try:
        url = file.read_text().strip()
    except OSError as error:
        raise MigrationError(f"{file} cannot be read ({error.strerror}): name a file that holds the URL") from None
    with migrator.connect(url, database=database) as connection:
        yield connection


def _utc(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _absolute(path: str) -> Path:
    return Path(path).absolute()  # commands run in the project's folder


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2, default=str))
