"""The command `cutover drill restore`."""

from __future__ import annotations

import sys

import typer

from cutover.commands.command import AsJson, Command, Stack, print_json, verbatim
from cutover.errors import CutoverError, MigrationError, StackMissingError


def add_to(app: typer.Typer) -> None:
    """Adds the group `drill` to the command line."""
    group = typer.Typer(help="Try what is needed on a bad day.")
    group.command(cls=Command, epilog=verbatim("Example", "cutover drill restore -s local"))(restore)
    group.callback()(_group)
    app.add_typer(group, name="drill")


def _group() -> None:
    """Keeps `restore` a verb of its own: a group of one command would be the command."""


def restore(stack: Stack, as_json: AsJson = False) -> None:
    """Restore a backup of the audit database, and compare.

    A second server is made from the newest backup; entries and schema must be those of the first, which goes on. Then
    it is removed. On AWS it takes some half an hour, and the copy costs what the instance does. The next evidence
    packs say when this was done last.
    """
    from cutover.commands.migrate import MIGRATIONS
    from cutover.drill.restore import backup_of, drill
    from cutover.evidence.bucket import RecordsBucket
    from cutover.evidence.places import note_drill
    from cutover.schema.access import AuditDatabase
    from cutover.stacks.outputs import outputs
    from outputs.smoke import SmokeTarget

    found = outputs(stack)
    access = found.read("audit_db_access", AuditDatabase.from_output)
    target = found.read("smoke_target", SmokeTarget.from_output)
    if access is None or target is None:
        raise StackMissingError(f"stack {stack} was never brought up to its end: cutover up -s {stack}, then the drill")
    done = drill(access, backup_of(access), MIGRATIONS, lambda line: print(f"  {line}", file=sys.stderr, flush=True))
    if as_json:
        print_json(done.output())
    for line in () if as_json else done.differences:
        print(f"  {line}")
    if not as_json and not done.differences:
        print(f"  {done.rows} entries and schema {done.schema_version} restored, and the same; {done.seconds:g} s")
    try:
        note_drill(RecordsBucket.of(target.places), done)
    except CutoverError as error:
        print(f"  not noted in the records bucket: {error}", file=sys.stderr)
    if done.differences:
        raise MigrationError(f"the restored database differs in {len(done.differences)} points, listed above")
