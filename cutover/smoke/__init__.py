"""The smoke suite: what a deployment must show through its edge before it counts. The program uses these names."""

from cutover.smoke.declared import require_declared
from cutover.smoke.process import require_go

__all__ = ["require_declared", "require_go"]
