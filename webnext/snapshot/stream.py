"""An answer that is sent as it is made, and given up as soon as nobody takes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

STALL_SECONDS = 30.0
"""How long a client may take none of what was sent; then the connection ends in the middle, which it notices."""

log = logging.getLogger("webnext.snapshot")


class CsvStream(Response):
    """Sends what a generator yields, a piece in memory at a time.

    However it ends, the generator is closed before the answer is over, in the task that ran it: what it holds, a
    database connection for one, is free again. Starlette's own stream leaves that to the garbage collector, and
    cancels the generator in the middle of what it awaits.
    """

    media_type = "text/csv"

    def __init__(self, content: AsyncGenerator[bytes, None], filename: str) -> None:
        self.status_code = 200
        self.background = None
        self._content = content
        self.init_headers({"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  (ASGI's signature)
        gone = asyncio.create_task(_disconnected(receive))
        started = False
        try:
            async with aclosing(self._content) as pieces:
                async for piece in pieces:
                    if gone.done():
                        log.info("the client of an export went away")
                        return
                    if not started:
                        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                        await send(start)
                        started = True
                    message = {"type": "http.response.body", "body": piece, "more_body": True}
                    await asyncio.wait_for(send(message), STALL_SECONDS)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.warning("the client of an export took nothing for %g s", STALL_SECONDS)
        finally:
            gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
