"""A rollout: a candidate's way through the phases, on live metrics, and back. The program uses these names."""

from cutover.rollout.guard import objection, require_removable

__all__ = ["objection", "require_removable"]
