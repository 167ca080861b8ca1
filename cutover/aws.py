"""Clients of AWS's APIs: the emulator's on docker stacks, else with the credentials of the environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a client waits for a connection and for an answer, in seconds, and how often it tries."""

    seconds: float
    attempts: int


PATIENT = Patience(seconds=5, attempts=3)
HURRIED = Patience(seconds=3, attempts=1)
"""On the way back of a rollout: who does not answer at once is done without."""


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
    """An account by itself, where there are no `Places`. Nothing but an emulator asks for its id."""

    account: str = ""
    region: str
    emulator: str | None = None


def client(service: str, where: Where, patience: Patience = PATIENT) -> Any:
    """A boto3 client that does not wait long for anybody."""
    import boto3
    from botocore.config import Config

    local = {
        "endpoint_url": where.emulator,
        "aws_access_key_id": where.account,
        "aws_secret_access_key": "emulator",
    }
    config = Config(
        connect_timeout=patience.seconds,
        read_timeout=patience.seconds,
        retries={"total_max_attempts": patience.attempts},
    )
    return boto3.client(service, region_name=where.region, config=config, **(local if where.emulator else {}))
