"""Where Pulumi starts the policy pack: `pulumi preview --policy-pack policy`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # the project's folder, and not this one

from policy.pack import serve

serve()
