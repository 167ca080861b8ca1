"""The aws package: one table, by service family."""

from __future__ import annotations

from offline.standins.aws import databases, network, observability, preview, s3, s3_settings, security
from offline.standins.aws.cloud import Cloud
from offline.standins.kind import Package

FAMILIES = (s3, s3_settings, security, databases, network, observability, preview)

PACKAGE = Package(name="aws", kinds={kind.type: kind for family in FAMILIES for kind in family.KINDS}, connect=Cloud)
