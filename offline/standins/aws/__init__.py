"""The aws package: one table, by service family."""

from __future__ import annotations

from offline.standins.aws import (
    elasticache,
    iam,
    network,
    observability,
    preview,
    rds,
    routing,
    s3,
    s3_settings,
    security,
)
from offline.standins.aws.cloud import Cloud
from offline.standins.kind import Package

FAMILIES = (s3, s3_settings, iam, security, rds, elasticache, network, routing, observability, preview)

PACKAGE = Package(name="aws", kinds={kind.type: kind for family in FAMILIES for kind in family.KINDS}, connect=Cloud)
