"""The output by which a stack says how its audit database is reached."""

from __future__ import annotations

from typing import Any

OUTPUT: dict[str, Any] = {
    "mode": "direct",
    "secret_arn": "arn",
    "region": "eu-central-1",
    "emulator": None,
    "bastion": None,
    "local_port": None,
    "retention_months": None,
}
