"""Bringing a stack up: what would stop the update in its middle is looked at first."""

from __future__ import annotations

from cutover.stacks.outputs import outputs
from cutover.stacks.preflight import Preflight
from cutover.stacks.project import PROJECT, config
from cutover.stacks.update import Update


def bring_up(stack: str, *, refresh: bool = False) -> None:
    """Updates the stack, printing as it goes. What would stop it in its middle is refused first, by a CutoverError."""
    update = Update(stack)
    settings = config(stack)
    before = Preflight(stack=stack, config=settings, outputs=update.outputs, resources=update.resources)
    before.require_own_layout()
    before.require_unedited(PROJECT / "migrations")
    before.require_ranges_that_stay()
    before.require_next_rotation()
    if settings.get("web-next:runtime") != "docker":
        before.require_failover_at_once()
        base = settings.get("web-next:base")
        before.require_way_in(outputs(base) if base else update.outputs)
    with before.reaching_the_database():
        update.run(refresh=refresh)
