"""In the faulty image in the place of webnext/processes/app.py: a release with a bug that begins when a file says so.

/tmp/fault is JSON: `share` of the requests under /api/ wait `slow` seconds, are answered with `status`, or are marked
as fallbacks by `mock`.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
from pathlib import Path
from typing import Any

FAULT = Path("/tmp/fault")


class Faulty:
    """An ASGI application before the sound one."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        fault = json.loads(FAULT.read_text()) if FAULT.exists() else {}
        asked = scope["type"] == "http" and scope["path"].startswith("/api/")
        if not (fault and asked and random.random() < fault.get("share", 1.0)):
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(fault.get("slow", 0))
        if status := fault.get("status"):
            headers = [(b"content-type", b"application/json"), (b"x-trace-id", b"faulty-release")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b'{"_err": "a bug"}'})
            return

        async def marked(message: Any) -> None:
            if fault.get("mock") and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-web-next-mock", b"true")]
            await send(message)

        await self._app(scope, receive, marked)


def run(settings: Any) -> int:
    """The sound app, behind the fault."""
    sound: Any = importlib.import_module("webnext.processes.sound")
    serve = sound.serve
    sound.serve = lambda app, port: serve(Faulty(app), port)
    return int(sound.run(settings))
