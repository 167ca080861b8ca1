"""The rules, one module for each area; ALL has them in order."""

from __future__ import annotations

from collections.abc import Sequence

from policy.rule import Rule
from policy.rules import network, rds, s3

AREAS = (s3, rds, network)
ALL: Sequence[Rule] = [one for area in AREAS for one in vars(area).values() if isinstance(one, Rule)]
