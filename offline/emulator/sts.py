"""Security Token Service, and the credentials of instance metadata: whoever takes a role on gets a session."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from offline.emulator.patching import patch
from offline.emulator.refusal import Answer, NotAdmittedError
from offline.emulator.rights import METADATA_ROLE, Rights
from offline.emulator.sessions import Caller, Credentials, Session, Sessions

SECONDS = 3600
"""How long a session lasts that is not asked for otherwise."""


class Sts:
    """AssumeRole and GetCallerIdentity, in place of the emulator's, which asks nobody who he is."""

    def __init__(self, sessions: Sessions, rights: Rights, account: str, caller: ContextVar[Caller | None]) -> None:
        self._sessions = sessions
        self._rights = rights
        self._account = account
        self._caller = caller

    def install(self, app: Any) -> None:
        """Answers for `sts`, and has instance metadata give out a session of its one role."""
        metadata = app._get_module("imds")
        patch(metadata, "_DEFAULT_ROLE", lambda _: METADATA_ROLE)
        patch(metadata, "_credentials_doc", lambda _: self._of_metadata)
        patch(app._get_module("sts"), "handle_request", lambda _: self.handle)

    async def handle(self, *request: Any) -> Answer:
        """The answer to a request of a known caller, as MiniStack hands it on. Raises NotAdmittedError."""
        _method, _path, _headers, body, query = request
        asked = {name: values[0] for name, values in {**query, **parse_qs(body.decode())}.items()}
        by = self._caller.get()
        assert by
        if asked.get("Action") == "GetCallerIdentity":
            arn = by.session.arn if by.session else f"arn:aws:iam::{by.account}:root"
            return _answer("GetCallerIdentity", {"Arn": arn, "UserId": by.account, "Account": by.account})
        if asked.get("Action") != "AssumeRole":
            raise NotAdmittedError(f"{asked.get('Action')} of sts is not answered")
        session = self._assumed(by, asked)
        credentials = _named(self._sessions.issue(session), "SessionToken", session.expires)
        user = {"AssumedRoleId": f"AROA:{session.name}", "Arn": session.arn}
        return _answer("AssumeRole", {"Credentials": credentials, "AssumedRoleUser": user})

    def _assumed(self, by: Caller, asked: Mapping[str, str]) -> Session:
        role, name = asked.get("RoleArn", ""), asked.get("RoleSessionName", "")
        if not re.fullmatch(r"arn:aws:iam::\d{12}:role/[\w+=,.@/-]+", role, re.ASCII):
            raise NotAdmittedError(f"RoleArn {role[:80]!r} names no role", "ValidationError")
        if not re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII):
            raise NotAdmittedError(f"RoleSessionName {name[:64]!r} is no name", "ValidationError")
        seconds = asked.get("DurationSeconds", str(SECONDS))
        if not re.fullmatch(r"\d{3,5}", seconds) or not 900 <= int(seconds) <= 43200:
            raise NotAdmittedError(f"DurationSeconds is {seconds[:9]!r}: 900 to 43200", "ValidationError")
        if role.split(":")[4] != by.account:
            raise NotAdmittedError(f"{role} is of another account than {by.account}")
        self._rights.require_trust(by, role)
        return Session(role=role, name=name, expires=int(time.time()) + int(seconds))

    def _of_metadata(self) -> dict[str, str]:
        role = f"arn:aws:iam::{self._account}:role/{METADATA_ROLE}"
        session = Session(role=role, name="metadata", expires=int(time.time()) + SECONDS)
        issued = _named(self._sessions.issue(session), "Token", session.expires)
        return {"Code": "Success", "LastUpdated": _time(int(time.time())), "Type": "AWS-HMAC", **issued}


def _named(credentials: Credentials, token: str, expires: int) -> dict[str, str]:
    return {
        "AccessKeyId": credentials.access_key,
        "SecretAccessKey": credentials.secret_key,
        token: credentials.token or "",
        "Expiration": _time(expires),
    }


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _answer(action: str, result: Mapping[str, Any]) -> Answer:
    body = f"<{action}Response><{action}Result>{_xml(result)}</{action}Result></{action}Response>"
    return 200, {"Content-Type": "text/xml"}, body.encode()


def _xml(value: Any) -> str:
    if isinstance(value, str):
        return escape(value)
    return "".join(f"<{name}>{_xml(inner)}</{name}>" for name, inner in value.items())
