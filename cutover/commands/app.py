"""The command line: the groups of verbs in one."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from typing import Annotated

import typer

from cutover.commands import (
    bootstrap,
    contract,
    dns,
    drill,
    evidence,
    gates,
    image,
    migrate,
    policy,
    preflight,
    review,
    rollout,
    smoke,
    stack,
    takeback,
    traffic,
    watch,
)
from cutover.commands.command import verbatim
from cutover.errors import INTERRUPTED, exit_codes
from cutover.stacks.project import PROJECT

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=verbatim("Exit codes", *(f"{code:>3}  {means}" for code, means in exit_codes().items())),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    try:
        app(arguments, prog_name="cutover")
    except SystemExit as ended:
        return int(ended.code or 0)
    except KeyboardInterrupt:  # before a command has begun
        print("cutover: interrupted; nothing was begun", file=sys.stderr)
        return INTERRUPTED
    raise AssertionError("the command line ends by its exit code")


def _print_version(asked: bool) -> None:
    if asked:
        print("cutover", tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"])
        raise typer.Exit


@app.callback()
def _cutover(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version and end")
    ] = False,
) -> None:
    """Operate the stacks of web-next."""


stack.add_to(app)
smoke.add_to(app)
evidence.add_to(app)
rollout.add_to(app)
takeback.add_to(app)
traffic.add_to(app)
watch.add_to(app)
migrate.add_to(app)
contract.add_to(app)
gates.add_to(app)
image.add_to(app)
bootstrap.add_to(app)
preflight.add_to(app)
policy.add_to(app)
review.add_to(app)
dns.add_to(app)
drill.add_to(app)
