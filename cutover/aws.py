"""Clients of AWS's APIs: the emulator's on docker stacks, else with the credentials of the environment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from cutover.errors import NotPreparedError
from outputs import emulator


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a client waits for a connection and for an answer, in seconds, and how often it tries."""

    seconds: float
    attempts: int


PATIENT = Patience(seconds=5, attempts=3)
HURRIED = Patience(seconds=3, attempts=1)
"""On the way back of a rollout: who does not answer at once is done without."""


class Where(Protocol):
    """`emulator` is the API's address on docker stacks, where the account is the access key."""

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
    """A boto3 client that waits long for nobody, nor for whoever says who asks. What the emulator is asked goes by no
    proxy, signed with the clone's key. Without a region the environment has one.

    Raises NotPreparedError where that key is not there, or the environment's profile is none.
    """
    local = {}
    if where.emulator:
        local = {
            "endpoint_url": where.emulator,
            "aws_access_key_id": where.account,
            "aws_secret_access_key": _secret(),
        }
    from botocore.exceptions import BotoCoreError

    config = _config(patience, {} if where.emulator else None)
    try:
        return _session().client(service, region_name=where.region or None, config=config, **local)
    except BotoCoreError as error:
        raise NotPreparedError(
            f"there is no client of {service} ({error}): look at AWS_PROFILE and AWS_REGION"
        ) from None


def refusal(error: Exception) -> str | None:
    """What is said, in one line, of an error of a client; None of any other."""
    from botocore.exceptions import BotoCoreError, ClientError

    if not isinstance(error, (BotoCoreError, ClientError)):
        return None
    return f"AWS does not do it ({' '.join(str(error).split())}); the credentials are those of the environment"


def _secret() -> str:
    try:
        return emulator.secret()
    except OSError as error:
        raise NotPreparedError(f"the emulator's key cannot be read ({error}): make up makes it") from None


@cache
def _session() -> Any:
    """One of its own, whose bound is nobody else's: a profile's role is taken on at STS, by a client that the session
    makes for itself."""
    import boto3
    import botocore.session

    own = botocore.session.get_session()
    own.set_default_client_config(_config(PATIENT))
    return boto3.session.Session(botocore_session=own)


def _config(patience: Patience, proxies: dict[str, str] | None = None) -> Any:
    """`proxies` are the environment's where none are given."""
    from botocore.config import Config

    return Config(
        connect_timeout=patience.seconds,
        read_timeout=patience.seconds,
        retries={"total_max_attempts": patience.attempts},
        proxies=proxies,
    )
