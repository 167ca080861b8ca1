"""What the emulator does, and for whom: the services of local stacks, each for callers that are known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from offline.emulator.operations import CHANGING, Asked
from offline.emulator.patching import patch
from offline.emulator.refusal import Answer, NotAdmittedError
from offline.emulator.rights import Rights
from offline.emulator.sessions import Caller

SERVED = tuple(sorted({*CHANGING, "imds"}))
"""The emulator's modules that local stacks need. None runs a caller's code, or a container of a caller's choice."""

Handler = Callable[..., Awaitable[Any]]

caller: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""Who has signed the request; None for who has not."""


def narrow(app: Any, state: Path, rights: Rights) -> None:
    """Refuses every service but those served, whichever way a request would reach it, asks `rights` whether the caller
    may, and removes from the folder `state` what others had kept."""
    for file in state.glob("*.json"):
        if app._state_map.get(file.stem, file.stem) not in SERVED:
            file.unlink()
    for name, service in app.SERVICE_REGISTRY.items():
        patch(app.SERVICE_HANDLERS, name, partial(partial, _judged, rights, service["module"]))
    patch(app, "_get_module", lambda load: lambda name: load(name) if name in SERVED else _refuse(name))
    # Its own loads others. Of those served RDS alone must be there before it is asked for anything.
    patch(app, "_load_persisted_state", lambda _: lambda: app.load_state("rds") and app._get_module("rds"))
    # A session's key says no account, and MiniStack would take it for the default's.
    patch(app, "set_request_account_id", lambda use: lambda _: use(by.account if (by := caller.get()) else ""))


async def _judged(rights: Rights, module: str, handler: Handler, *request: Any) -> Answer:
    """Answers for a service, or says why not: raised, a refusal would be told as the emulator's own failure."""
    asked, by = Asked(module, *request), caller.get()
    try:
        _require_known(module, by)
        asked.require_used()
        if by and by.session:
            rights.require(by.session, asked)
        answer: Answer = await handler(*request)
        if by and by.session and module == "s3" and answer[0] == HTTPStatus.NOT_FOUND:
            rights.require_absence_told(by.session, asked)
    except NotAdmittedError as refusal:
        return refusal.answer(as_json="x-amz-target" in asked.headers)
    return answer


def _require_known(module: str, by: Caller | None) -> None:
    if module not in SERVED:
        _refuse(module)
    if by is None and module != "imds":
        raise NotAdmittedError(f"a request to {module} is not signed: a stranger gets nothing")


def _refuse(name: str) -> Any:
    raise NotAdmittedError(f"service {name} is not answered: local stacks need {', '.join(SERVED)}")
