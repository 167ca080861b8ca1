"""Where Pulumi starts the policy pack: `pulumi preview --policy-pack policy`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])  # the project's folder, and not this one

from pulumi_policy import PolicyPack

from policy.pack import policies

PolicyPack(
    "web-next",
    list(policies(os.environ.get("PULUMI_STACK", ""), json.loads(os.environ.get("PULUMI_CONFIG", "{}")))),
)
