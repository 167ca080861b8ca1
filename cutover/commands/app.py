"""The command line. One place catches errors, prints one line, and sets the exit code.

Exit codes: 0 done, GO · 1 failed · 2 wrong usage · 3 NO-GO · 4 stack locked · 5 no such stack · 6 machine not
prepared · 7 migration refused or failed · 8 audit database out of reach · 9 contract broken ·
10 traffic split not read or set · 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Sequence

from cutover import smoke
from cutover.commands import contract, migrate
from cutover.errors import CutoverError, NoGoError, StackMissingError
from cutover.stacks.stack import PROJECT, Stack
from cutover.traffic import traffic_split


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        with contextlib.chdir(PROJECT):  # paths in deployment records are the project's
            options.command(options)
    except CutoverError as error:
        print(f"cutover: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("cutover: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def up(options: argparse.Namespace) -> None:
    """Brings the stack up and ends with a verdict: the smoke hook's if it ran, else a fresh one."""
    started = time.time()
    try:
        Stack(options.stack).up(refresh=options.refresh)
    except CutoverError:
        report = smoke.saved(options.stack, since=started)
        if report and report.no_go:
            print(f"\n{report.table}")
            raise NoGoError(
                f"stack {options.stack}: NO-GO, nothing was recorded; mend what failed and run up again"
            ) from None
        raise
    report = smoke.saved(options.stack, since=started)
    if report:
        print(f"\n{report.table}")
    elif "smoke_target" in Stack(options.stack).outputs():
        run_smoke(options)
    else:
        print(f"  {options.stack} has no app yet, so there is nothing to smoke and no verdict")


def run_smoke(options: argparse.Namespace) -> None:
    """Runs the smoke suite against what the stack deployed last; raises NoGoError when it does not stand."""
    target = Stack(options.stack).outputs().get("smoke_target")
    if target is None:
        raise StackMissingError(f"stack {options.stack} has deployed nothing yet: bring it up first, make up")
    report = smoke.run(smoke.Target.from_record(target))
    smoke.save(report)
    print(json.dumps(report.document(), indent=2) if options.json else report.table())
    report.require_go()


def traffic(options: argparse.Namespace) -> None:
    """Prints the candidate's share of the traffic in percent, after setting it where a WEIGHT is given."""
    output = Stack(options.stack).outputs().get("traffic")
    if output is None:
        raise StackMissingError(f"stack {options.stack} has no traffic to split: name the base that owns both slots")
    split = traffic_split(output)
    if options.weight is not None:
        split.set(options.weight)
    weight = split.get()
    print(
        json.dumps({"candidate": weight}) if options.json else f"  candidate's share of the traffic, percent: {weight}"
    )


def outputs(options: argparse.Namespace) -> None:
    """Prints the stack's outputs as JSON, secrets masked."""
    print(json.dumps(Stack(options.stack).outputs(), indent=2, sort_keys=True))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cutover", description="Operate the stacks of web-next.", epilog=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("up", up, "bring a stack up and end with the verdict"),
        ("smoke", run_smoke, "run the smoke suite against a stack"),
        ("traffic", traffic, "show or set the candidate's share of the traffic"),
        ("outputs", outputs, "print a stack's outputs as JSON"),
    ):
        added = commands.add_parser(name, help=text, description=command.__doc__)
        added.set_defaults(command=command, json=False)
        added.add_argument("-s", "--stack", required=True, help="the stack's name, such as local or prod")
        if name == "up":
            added.add_argument("--refresh", action="store_true", help="look at what really runs first")
        if name == "traffic":
            added.add_argument(
                "weight", nargs="?", type=int, metavar="WEIGHT", help="percent for the candidate, 0 to 100"
            )
        if name in ("smoke", "traffic"):
            added.add_argument("--json", action="store_true", help="print JSON instead")
    migrate.add_to(commands)
    contract.add_to(commands)
    return parser
