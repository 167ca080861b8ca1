"""POST /api/audit/push in a straight line: the one route that has to be fast."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from webnext import context
from webnext.audit.own import taken
from webnext.contract.audit import AuditEntryV1, PushAnswer
from webnext.contract.base import small
from webnext.dependency import AwayError
from webnext.envelope import BODY
from webnext.services import CallerError, Services

PATH = "/api/audit/push"
KEY = r"^[!-~]{1,200}$"
"""What a caller's idempotency key may be: printable ASCII without blanks, which web-next's own have."""

_KEY = re.compile(KEY.encode().replace(b"$", rb"\Z"))
_ROUTE = SimpleNamespace(path=PATH)


def keeper(services: Services) -> Callable[[AuditEntryV1, str | None], Awaitable[PushAnswer]]:
    """Return the function that keeps a caller's entry, once for each of the caller's keys.

    It raises AwayError where nothing can keep the entry, and CallerError where the caller has to change it.
    """

    async def keep(entry: AuditEntryV1, key: str | None) -> PushAnswer:
        try:
            small(entry.stored_details)
        except ValueError as error:
            raise CallerError(f"details: {error}") from None
        if claim := taken(entry):
            raise CallerError(claim)
        return await services.audit.append(entry, context.trace_id.get() or "", key)

    return keep


class StraightPush:
    """Answers valid pushes itself and passes every other request on to `app`.

    `app` has a route of the same path: it documents the push and refuses invalid ones. `handlers` are the exception
    handlers of `app`.
    """

    def __init__(self, app: ASGIApp, services: Services, handlers: Mapping[Any, Callable[..., Any]]) -> None:
        self._app = app
        self._keep = keeper(services)
        self._handlers = {error: handlers[error] for error in (AwayError, CallerError)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        key = next((value for name, value in scope["headers"] if name == b"idempotency-key"), None)
        entry = None
        with suppress(ValidationError):
            entry = AuditEntryV1.model_validate_json(scope[BODY])
        if entry is None or (key is not None and not _KEY.match(key)):
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        try:
            answer = await self._keep(entry, key.decode() if key else None)
            response = Response(answer.model_dump_json(), media_type="application/json")
        except tuple(self._handlers) as error:
            handle = next(each for kind, each in self._handlers.items() if isinstance(error, kind))
            response = await handle(Request(scope), error)
        await response(scope, receive, send)
