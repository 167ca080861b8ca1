"""Clients of AWS for what HTTP alone cannot show: on docker stacks of the emulator, whose account is the credential."""

from __future__ import annotations

from typing import Any

from outputs.smoke import Places

SECONDS = 5


def client(service: str, places: Places) -> Any:
    """A client that gives up after SECONDS, with the credentials of the environment or the emulator's."""
    import boto3
    from botocore.config import Config

    local = {
        "endpoint_url": places.emulator,
        "aws_access_key_id": places.account,
        "aws_secret_access_key": "emulator",
    }
    return boto3.client(
        service,
        region_name=places.region,
        config=Config(connect_timeout=SECONDS, read_timeout=SECONDS, retries={"max_attempts": 1}),
        **(local if places.emulator else {}),
    )
