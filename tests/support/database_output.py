"""What a stack's state says of its audit database: the output by which it is reached, and the schema's resource."""

from __future__ import annotations

from typing import Any

OUTPUT: dict[str, Any] = {
    "mode": "direct",
    "endpoint": "db:5432",
    "secret_arn": "arn",
    "region": "eu-central-1",
    "emulator": None,
    "bastion": None,
    "local_port": None,
    "retention_months": None,
}
SCHEMA = "pulumi-python:dynamic/web-next:Schema"
"""The type of the schema's resource, as states have it."""
