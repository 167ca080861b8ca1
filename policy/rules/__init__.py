"""The rules, one module for each area; ALL has them in order."""

from __future__ import annotations

from collections.abc import Sequence

from policy.rule import Rule
from policy.rules import (
    alarms,
    balancer,
    containers,
    ecs,
    edge,
    elasticache,
    iam,
    kms,
    network,
    rds,
    s3,
    secrets,
    uploads,
    waf,
)

AREAS = (s3, uploads, rds, elasticache, secrets, iam, kms, network, containers, ecs, balancer, waf, alarms, edge)
ALL: Sequence[Rule] = [one for area in AREAS for one in vars(area).values() if isinstance(one, Rule)]
