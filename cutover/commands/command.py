"""What every command has: where it runs, how its errors end, and the options that several share."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.exceptions import TyperException

from cutover import aws
from cutover.errors import INTERRUPTED, CutoverError, unforeseen
from cutover.stacks.project import PROJECT

Stack = Annotated[str, typer.Option("--stack", "-s", help="the stack's name, such as local or prod")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead")]


LOG = Path(".local/log/cutover.log")
"""The tracebacks of errors that nobody foresaw, the newest last."""


class Command(TyperCommand):
    """Runs in the project's folder, whose paths deployment records have. An error is one line and its exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with contextlib.chdir(PROJECT):
                return super().invoke(ctx)
        except CutoverError as error:
            print(f"cutover: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            print("cutover: interrupted; run the same command again to go on", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except (TyperException, typer.Exit, typer.Abort, BrokenPipeError):  # the command line's own
            raise
        except Exception as error:
            print(f"cutover: {aws.refusal(error) or _logged(error)}", file=sys.stderr)
            raise typer.Exit(CutoverError.exit_code) from None


def _logged(error: Exception) -> str:
    """What is said of an error that nobody foresaw, its traceback being kept, or printed where nothing can be kept."""
    written = "".join(traceback.format_exception(error))
    file = PROJECT / LOG
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n{written}\n")
    except OSError:
        print(written, file=sys.stderr)
        return unforeseen(error)
    return f"{unforeseen(error)}; its traceback is the last of {LOG}"


def one_line(text: str) -> str:
    """A reason or a name as it is kept and shown: one line, nothing that moves a terminal's cursor. Raises BadParameter
    for one without a word."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    if not line:
        raise typer.BadParameter("it is empty: say it in some words")
    return line


Despite = Annotated[
    str | None,
    typer.Option(
        "--despite-freeze", parser=one_line, metavar="REASON", help="goes on in a freeze; the reason is recorded"
    ),
]


def verbatim(title: str, *lines: str) -> str:
    """A paragraph of a help text whose lines stay as they are."""
    return "\b\n" + "\n".join([f"{title}:", *(f"  {line}" for line in lines)])


def absolute(path: str) -> Path:
    """The path from where the command was called: it runs in the project's folder."""
    return Path(path).absolute()


def print_json(value: object) -> None:
    """Prints the value for machines; what JSON does not know becomes its text."""
    print(json.dumps(value, indent=2, default=str))
