"""The executor, as web-next calls it: guardrails, strategies, and the fallbacks for audit and evidence."""

from __future__ import annotations

from typing import Any

import httpx
from pydantic_core import from_json

from webnext import context
from webnext.dependency import AwayError, Dependency

SECONDS = 2.0
ANSWER_BYTES = 2 * 2**20
"""How large an answer may be: a list's budget and what stands around it."""


class RefusedError(AwayError):
    """The executor answered, and refused with `status`: nothing that its breaker should count."""

    def __init__(self, cause: str, status: int) -> None:
        super().__init__("executor", cause)
        self.status = status


class Executor:
    """A client of NEXT_PUBLIC_EXECUTOR_URL. Without an address every call raises AwayError.

    The trace id of the request being answered goes along as X-Trace-ID.
    """

    def __init__(self, url: str | None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=url or "", timeout=SECONDS, transport=transport, trust_env=False)
        self._executor = Dependency("executor", errors=(httpx.HTTPError, ValueError), seconds=SECONDS + 0.5)

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
                if answer.is_client_error:
                    raise RefusedError(f"{method} {path} was refused with {answer.status_code}", answer.status_code)
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
