"""What a base stack's file says of its rollouts."""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from cutover.errors import CutoverError
from cutover.rollout.phases import PHASES, Phase
from cutover.stacks.project import config
from outputs.rollout import RolloutSettings

SECTION = "web-next:rollout"


def settings_of(stack: str) -> RolloutSettings:
    """The section rollout of the stack's file, as it is now. Raises CutoverError in one line, StackMissingError."""
    try:
        return RolloutSettings.model_validate(config(stack).get(SECTION) or {})
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        place = ".".join([SECTION, *map(str, wrong["loc"])])
        raise CutoverError(
            f"Pulumi.{stack}.yaml: {place}: {wrong['msg']}; pulumi preview -s {stack} says all"
        ) from None


def phases_of(settings: RolloutSettings) -> tuple[Phase, ...]:
    """The phases, each with the hold that the settings give it."""
    return tuple(replace(phase, hold=getattr(settings.hold, phase.name)) for phase in PHASES)
