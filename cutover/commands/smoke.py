"""The command `cutover smoke`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cutover.commands.command import AsJson, Command, absolute, print_json, verbatim
from cutover.errors import CutoverError

if TYPE_CHECKING:
    from cutover.evidence.document import AppChecks
    from outputs.smoke import SmokeTarget


def add_to(app: typer.Typer) -> None:
    """Adds `smoke` to the command line."""
    examples = verbatim(
        "Examples",
        "cutover smoke -s local",
        "cutover smoke -s prod --profile prod --json",
        "aws s3 cp s3://RECORDS/deployments/stable.json - | cutover smoke --target -",
    )
    app.command(cls=Command, epilog=examples)(smoke)


def smoke(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="the stack whose newest deployment is smoked")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            parser=lambda path: path if path == "-" else str(absolute(path)),
            metavar="FILE",
            help="a deployment record instead, a file or - for standard input",
        ),
    ] = None,
    profile: Annotated[
        Literal["full", "prod"] | None, typer.Option(help="what the suite may do; else what the stack's file says")
    ] = None,
    app_ci: Annotated[
        Path | None,
        typer.Option(parser=absolute, metavar="FILE", help="what the app's CI says, in JSON, for the approval record"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the smoke suite against what a stack deployed last.

    What it says as it goes is on standard error, the report on standard output. A whole run leaves an evidence pack.
    """
    import dataclasses

    from cutover.evidence.keeping import keep_pack
    from cutover.smoke.checks import SUITE
    from cutover.smoke.run import run_and_keep
    from cutover.stacks.outputs import deployed

    if (stack is None) == (target is None):
        raise typer.BadParameter("name either the stack, -s STACK, or a deployment record, --target FILE")
    what = deployed(stack) if stack else given(target or "-")
    if profile:
        what = dataclasses.replace(what, profile=profile)
    said = app_checks(app_ci, what) if app_ci else None
    report = run_and_keep(SUITE, what, lambda line: print(line, file=sys.stderr, flush=True))
    pack = keep_pack(report, said)
    if as_json:
        print_json({**report.document(), "pack": pack.output()})
    else:
        print(report.table())
        print(f"  pack  {pack.line}")
    report.require_go()


def given(path: str) -> SmokeTarget:
    """The deployment record in a file, or on standard input. Raises CutoverError when it is none."""
    import json

    from outputs.shape import OutputError
    from outputs.smoke import SmokeTarget

    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
        return SmokeTarget.from_output(json.loads(text))
    except OSError as error:
        raise CutoverError(f"target {path}: {error.strerror}; name a file, or - for standard input") from None
    except OutputError:
        wrong = "has not the fields of one that this revision of the project writes"
    except ValueError as error:
        wrong = f"is no JSON ({error})"
    raise CutoverError(
        f"target {path} is no deployment record, it {wrong}: cutover outputs -s STACK | jq .smoke_target prints one"
    )


def app_checks(path: Path, target: SmokeTarget) -> AppChecks:
    """What the app's CI says, from its file. Raises CutoverError when it is none, or is of another build."""
    import json

    from cutover.evidence.document import AppChecks

    try:
        found = AppChecks.from_output(json.loads(path.read_text()))
    except OSError as error:
        raise CutoverError(f"--app-ci {path}: {error.strerror}; name a file") from None
    except ValueError:
        raise CutoverError(
            f'--app-ci {path} is another form than {{"build_sha": "…", "typescript_errors": 0, "build_clean": true}}'
        ) from None
    if found.build_sha != target.build_sha:
        raise CutoverError(
            f"--app-ci {path} is of build {found.build_sha}, and {target.build_sha} is smoked: take that build's file"
        )
    return found
