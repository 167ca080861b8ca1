"""Sessions of roles: issued, and known again, by the clone's key alone, so that nothing of them is kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import asdict, dataclass
from typing import NamedTuple

from offline.emulator.refusal import NotAdmittedError


class Credentials(NamedTuple):
    """What a client signs with, by botocore's names."""

    access_key: str
    secret_key: str
    token: str | None


@dataclass(frozen=True, kw_only=True)
class Session:
    """Who has taken the role `role`, an ARN, on, under which name, until when in seconds since the epoch."""

    role: str
    name: str
    expires: int

    @property
    def account(self) -> str:
        """The role's account."""
        return self.role.split(":")[4]

    @property
    def arn(self) -> str:
        """The session's own ARN, which has no path."""
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role.rpartition('/')[2]}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who has signed a request: a role's session, or without one whoever holds the clone's key."""

    account: str
    session: Session | None = None


class Sessions:
    """The clone's key, and what it vouches for: each account by its number, and every session issued here."""

    def __init__(self, key: str) -> None:
        self._key = key

    def issue(self, session: Session) -> Credentials:
        """The session's credentials, each time the same. The token says whose it is; the secret is of the token."""
        claim = base64.urlsafe_b64encode(json.dumps(asdict(session)).encode()).decode()
        token = f"{claim}.{self._mac('token', claim)}"
        return Credentials(f"ASIA{self._mac('id', token)[:16].upper()}", self._mac("secret", token), token)

    def of(self, access_key: str, token: str | None) -> tuple[Caller, Credentials]:
        """Who has an access key, and what it signs with. Raises NotAdmittedError for one that is nobody's."""
        if token is None and len(access_key) == 12 and access_key.isdecimal():
            return Caller(account=access_key), Credentials(access_key, self._key, None)
        claim, _, mac = (token or "").partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac("token", claim).encode()):
            raise NotAdmittedError(
                f"access key {access_key[:20]!r} is neither an account's nor of a session issued here",
                "InvalidClientTokenId",
            )
        session = Session(**json.loads(base64.urlsafe_b64decode(claim)))
        credentials = self.issue(session)
        if access_key != credentials.access_key:
            raise NotAdmittedError(f"access key {access_key[:20]!r} is not the session's", "InvalidClientTokenId")
        if session.expires < time.time():
            raise NotAdmittedError(f"the session {session.arn} has expired", "ExpiredToken")
        return Caller(account=session.account, session=session), credentials

    def _mac(self, purpose: str, text: str) -> str:
        return hmac.new(self._key.encode(), f"{purpose}\n{text}".encode(), hashlib.sha256).hexdigest()
