"""Where a review's facts come from: previews and refreshes by Pulumi's engine, which write nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from cutover.errors import NotPreparedError
from cutover.review.shape import Place, offline, revision
from cutover.review.steps import Event, Preview, Step, read
from cutover.stacks.causes import cause, no_pulumi
from cutover.stacks.engine import looked
from cutover.stacks.outputs import outputs
from cutover.stacks.preflight import Preflight
from cutover.stacks.project import PROJECT, config, listed, require_prepared

STREAM = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}


def has_state(stack: str) -> bool:
    """Whether the stack's own state can be compared with: not in a shell without a backend, nor for a stack on AWS
    where the providers are stand-ins. Raises StackMissingError without a stack file."""
    config(stack)
    try:
        require_prepared(stack)
    except NotPreparedError:
        return False
    return True


def here(stack: str) -> Place:
    """Where the stack itself is previewed: in the project, with its own state."""
    return Place(stack=stack, folder=PROJECT, environment=os.environ)


def preview(stack: str) -> Preview:
    """What an update of the stack would do, judged by the pack. Raises CutoverError where its state does not open."""
    return _judged(here(stack))


def shape(stack: str, against: str | None) -> Preview:
    """What the program declares, without a state; compared with what the commit `against` declares, if one is given."""
    with offline(stack) as place:
        declared = _judged(place)
    if against is None:
        return declared
    with revision(against) as source, offline(stack, source) as place:
        before = read(_events(place, place.command("--json")))
    return compared(before, declared)


def compared(before: Preview, after: Preview) -> Preview:
    """Two shapes as one change. What a change of an input replaces, only the stack's state and provider tell."""
    old, new = ({step.urn: step for step in one.steps} for one in (before, after))
    steps = [
        Step(
            op="delete" if urn not in new else "create" if urn not in old else "update",
            urn=urn,
            type=(new.get(urn) or old[urn]).type,
            old=old[urn].new if urn in old else None,
            new=new[urn].new if urn in new else None,
        )
        for urn in sorted({*old, *new})
        if urn not in old or urn not in new or old[urn].new != new[urn].new
    ]
    errors = tuple(f"before the change: {text}" for text in before.errors) + after.errors
    return Preview(
        steps=tuple(steps),
        errors=errors,
        warnings=after.warnings,
        policy=after.policy,
        same=len({*old} & {*new}) - sum(step.op == "update" for step in steps),
    )


def refresh(stack: str) -> list[Event]:
    """The events of a look at what runs, roles and schema of the database too, which is reached as for an update.
    Raises CutoverError where the look fails, StackMissingError for a stack that was never brought up."""
    command = [
        "pulumi",
        "refresh",
        "--preview-only",
        "--json",
        "--non-interactive",
        f"--cwd={PROJECT}",
        f"--stack={stack}",
    ]
    known = Preflight(stack=stack, config=config(stack), outputs=outputs(stack), resources=())
    with known.reaching_the_database():
        found = _events(here(stack), command)
    if errors := read(found).errors:
        raise cause(stack, "", errors)
    return found


def _judged(place: Place) -> Preview:
    pack = [f"--policy-pack={listed(place.pack)}"] if place.pack else []
    return read(_events(place, place.command("--json", *pack)))


def _events(place: Place, command: Sequence[str]) -> list[Event]:
    try:
        done = looked(command, {**place.environment, **STREAM})
    except FileNotFoundError:
        raise no_pulumi() from None
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode and not found:
        raise cause(place.stack, done.stderr)
    return found
