"""What a split refuses, by name: the value seen, the rule, the way out."""

from __future__ import annotations

from cutover.errors import RefusedError


def set_again(stack: str) -> str:
    """The way out of what is no share."""
    return (
        f"set it again, cutover traffic -s {stack} 0; where a rollout runs, cutover resume -s {stack} gives the "
        "candidate its share after that"
    )


def latched(rollout: str) -> RefusedError:
    """The rollout was taken back."""
    return RefusedError(
        f"rollout {rollout} was taken back, and for it the edge takes weight 0 alone from then on: begin another, "
        "cutover canary"
    )


def older(revision: int, rollout: str, in_force: int) -> RefusedError:
    """The weight belongs to a revision before the one in force."""
    return RefusedError(
        f"revision {revision} is older than what is in force, revision {in_force} of rollout {rollout}: somebody went "
        "on meanwhile; see cutover status"
    )


def final(rollout: str, stack: str) -> RefusedError:
    """Taking back what is finishing."""
    return RefusedError(
        f"rollout {rollout} is finishing: its release is being made stable's own; cutover finish goes on. While stable "
        f"runs the release before it still, cutover traffic -s {stack} 0 gives it all of the traffic"
    )


def taken(rollout: str) -> RefusedError:
    """Raising a weight by hand that a rollout has set."""
    return RefusedError(
        f"the weight belongs to rollout {rollout}, and by hand it may only fall: use the rollout's verbs, or give the "
        "reason why not, cutover traffic --anyway REASON"
    )
