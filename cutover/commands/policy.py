"""The command `cutover policy`."""

from __future__ import annotations

import typer

from cutover.commands.command import AsJson, Command, Stack, print_json, verbatim
from cutover.errors import CutoverError, PolicyBrokenError


def add_to(app: typer.Typer) -> None:
    """Adds `policy` to the command line."""
    app.command(cls=Command, epilog=verbatim("Example", "cutover policy -s prod"))(policy)


def policy(stack: Stack, as_json: AsJson = False) -> None:
    """Judge what a stack has by the rules of docs/policy.md.

    Looks at the stack's state, as its last update or refresh left it, and changes nothing.
    """
    from datetime import date

    from cutover.stacks.exported import resources
    from cutover.stacks.project import config
    from policy.state import of_state
    from policy.verdict import judge

    judged = of_state(stack, resources(stack), config(stack))
    try:
        verdict = judge(judged, date.today())
    except ValueError as error:
        raise CutoverError(f"the policy's own files cannot be read: {error}; mend policy/*.toml") from None
    if as_json:
        print_json(verdict.document())
    else:
        print(verdict.table())
    if against := verdict.against:
        more = f", and {len(against) - 1} more" if len(against) > 1 else ""
        raise PolicyBrokenError(f"stack {stack} breaks {against[0].rule.id}: {against[0]}{more}")
