"""Clients of AWS's APIs: the emulator's on docker stacks, else with the credentials of the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

CONNECT_SECONDS, ANSWER_SECONDS, RETRIES = 5, 5, 2


class Where(Protocol):
    """`emulator` is the API's address on docker stacks: the account is the credential there."""

    @property
    def account(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def emulator(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account by itself, where there are no `Places`."""

    account: str
    region: str
    emulator: str | None


def client(service: str, where: Where) -> Any:
    """A boto3 client that does not wait long for anybody."""
    import boto3
    from botocore.config import Config

    local = {
        "endpoint_url": where.emulator,
        "aws_access_key_id": where.account,
        "aws_secret_access_key": "emulator",
    }
    config = Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=ANSWER_SECONDS, retries={"total_max_attempts": 1 + RETRIES}
    )
    return boto3.client(service, region_name=where.region, config=config, **(local if where.emulator else {}))
