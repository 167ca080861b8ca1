"""The executor, as web-next calls it: guardrails, strategies, and the fallbacks for audit and evidence."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx
from pydantic_core import from_json

from webnext import aws, context
from webnext.dependency import AwayError, Dependency
from webnext.settings import Settings
from webnext.vault import Vault, VaultError

SECRET = "EXECUTOR_TOKEN"  # noqa: S105  (the secret's name)
SECONDS = 2.0
MOMENT = 0.2
ANSWER_BYTES = 2 * 2**20
"""How large an answer may be: a list's budget and what stands around it."""

_DENIED = (401, 403)
_TOKEN = re.compile(r"[!-~]+")

log = logging.getLogger("webnext.executor")


class RefusedError(AwayError):
    """The executor answered, and refused with `status`: nothing that its breaker should count."""

    def __init__(self, cause: str, status: int) -> None:
        super().__init__("executor", cause)
        self.status = status


class Bearer(httpx.Auth):
    """The vault's token, as it is by now, in each call. One that is refused is asked for anew, once. A vault that hangs
    holds no call up: the executor is what stands in for others."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._refused = self._last = ""
        self._reading: asyncio.Future[str] | None = None

    @classmethod
    def of(cls, settings: Settings, vault: Vault) -> Bearer | None:
        """None where the vault has no token."""
        return cls(vault) if SECRET in settings.vault_entries else None

    def read(self) -> str:
        """What stands in Authorization; it blocks. Raises VaultError, which never quotes it."""
        token = self._vault.read(SECRET)
        if not _TOKEN.fullmatch(token):
            raise VaultError(f"secret {SECRET} has blanks, line ends or letters that no header takes: put it without")
        return f"Bearer {token}"

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = shown = await self._known()
        answer = yield request
        if answer.status_code in _DENIED:
            if shown != self._refused:
                self._refused = shown
                self._vault.forget(SECRET)
            request.headers["Authorization"] = newest = await aws.in_thread(self.read)
            if newest != shown:
                yield request

    async def _known(self) -> str:
        """What the vault has, or had last where it does not answer within a moment."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(aws.in_thread(self.read))
        reading = self._reading  # by the time it is done another call may have begun the next
        await asyncio.wait({reading}, timeout=MOMENT if self._last else None)
        if reading.done() and not (self._last and reading.exception()):
            self._last = reading.result()
        return self._last


class Executor:
    """A client of NEXT_PUBLIC_EXECUTOR_URL. Without an address every call raises AwayError.

    The trace id of the request being answered goes along as X-Trace-ID, and a token where it is given one.
    """

    def __init__(
        self, url: str | None, transport: httpx.AsyncBaseTransport | None = None, token: Bearer | None = None
    ) -> None:
        self.url = url
        self._denied = False
        self._shown = f"no token was shown, VAULT_ENTRIES does not name {SECRET}"
        if token:
            self._shown = f"it does not take the vault's {SECRET}, put the one that it knows"
        self._http = httpx.AsyncClient(
            base_url=url or "", timeout=SECONDS, transport=transport, trust_env=False, auth=token
        )
        self._executor = Dependency("executor", errors=(httpx.HTTPError, ValueError, VaultError), seconds=SECONDS + 0.5)

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def get(self, path: str, *, seconds: float | None = None) -> dict[str, Any]:
        """The JSON object that GET `path` answers, within `seconds` where given. Raises AwayError otherwise."""
        return await self._ask("GET", path, None, {}, seconds)

    async def post(self, path: str, body: Any, **headers: str) -> dict[str, Any]:
        """The JSON object that POST `path` answers; `headers` with '_' for '-'. Raises AwayError otherwise."""
        return await self._ask("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})

    async def _ask(
        self, method: str, path: str, body: Any, headers: dict[str, str], seconds: float | None = None
    ) -> dict[str, Any]:
        if not self.url:
            raise AwayError("executor", "NEXT_PUBLIC_EXECUTOR_URL is not set")
        if trace_id := context.trace_id.get():
            headers["X-Trace-ID"] = trace_id

        async def ask() -> dict[str, Any]:
            async with self._http.stream(method, path, json=body, headers=headers) as answer:
                told, self._denied = self._denied, answer.status_code in _DENIED
                if answer.is_client_error:
                    why = f": {self._shown}" if self._denied else ""
                    refused = RefusedError(
                        f"{method} {path} was refused with {answer.status_code}{why}", answer.status_code
                    )
                    if self._denied and not told:  # whoever falls back tells nobody
                        log.warning("%s", refused)
                    raise refused
                answer.raise_for_status()
                document = from_json(await _read(answer))
            if not isinstance(document, dict):
                raise ValueError(f"{method} {path} answered no JSON object")  # noqa: TRY004
            return document

        return await self._executor.call(ask, seconds=seconds)


async def _read(answer: httpx.Response) -> bytes:
    content = bytearray()
    async for piece in answer.aiter_bytes():
        content += piece
        if len(content) > ANSWER_BYTES:
            raise ValueError(f"{answer.url.path} answered more than {ANSWER_BYTES} bytes")
    return bytes(content)
