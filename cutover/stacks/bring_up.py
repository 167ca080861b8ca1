"""Bringing a stack up: what would stop the update in its middle is looked at first."""

from __future__ import annotations

from cutover.stacks.preflight import Preflight
from cutover.stacks.project import PROJECT, config
from cutover.stacks.update import Update


def bring_up(stack: str, *, refresh: bool = False) -> None:
    """Updates the stack, printing as it goes. What would stop it in its middle is refused first, by a CutoverError."""
    update = Update(stack)
    before = Preflight(stack=stack, config=config(stack), outputs=update.outputs, resources=update.resources)
    before.require_own_layout()
    before.require_unedited(PROJECT / "migrations")
    with before.reaching_the_database():
        update.run(refresh=refresh)
