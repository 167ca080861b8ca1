"""The smoke suite: what a deployment must show through its edge before it counts. The program uses these names."""

from cutover.smoke.declared import require_declared
from cutover.smoke.process import require_go
from cutover.smoke.provable import Provable, most_burst

__all__ = ["Provable", "most_burst", "require_declared", "require_go"]
