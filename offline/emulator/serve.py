"""The emulator's process: `python -m offline.emulator.serve ROOT`, in the emulator's own environment.

Everything about MiniStack that this project changes is named here and in the modules it calls; `patch`
fails at the start if a name is not what the pinned version has.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from offline.emulator import cors
from offline.emulator.addresses import Addresses
from offline.emulator.admission import DATABASES, Admission, Receive, Send, narrow
from offline.emulator.containers import Containers
from offline.emulator.databases import Databases
from offline.emulator.durable import Durable
from offline.emulator.transit import Transit
from offline.machine import Machine

SIDE_EFFECT_SECONDS = 1.0


def serve(root: Path) -> None:
    """Runs the emulator of the clone at `root` until SIGTERM. The environment is the launcher's `settings`."""
    import docker
    import ministack.app
    from hypercorn.asyncio import serve as listen
    from hypercorn.config import Config
    from ministack.core import persistence

    logging.getLogger("persistence").setLevel(logging.WARNING)
    folder = root / ".local" / "emulator"
    machine = Machine.load(root)
    narrow(ministack.app, folder / "state")
    transit = Transit(root / ".local" / "tls")
    containers = Containers(machine, Addresses(folder / "addresses.json", machine.subnet), transit)
    containers.narrow()
    containers.keep_addresses(docker.from_env())
    databases = Databases(ministack.app, containers, transit)
    databases.install()
    durable = Durable(ministack.app, persistence, folder / "blobs")
    durable.install()
    config = Config()
    config.bind = [f"{machine.gateway}:{machine.emulator_port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    gate = Gate(ministack.app.app, databases, durable)
    asyncio.run(listen(Admission(machine, cors.stored(ministack.app), gate), config))


class Gate:
    """Stands before MiniStack's application: restores, saves before it acknowledges, tells of databases."""

    def __init__(self, app: Any, databases: Databases, durable: Durable) -> None:
        self._app = app
        self._databases = databases
        self._durable = durable
        self._later: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        async def started(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                await asyncio.to_thread(self._databases.restore)
            await send(message)

        async def saved(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._durable.save_touched()
                if self._later is None or self._later.when() < asyncio.get_running_loop().time():
                    self._later = asyncio.get_running_loop().call_later(SIDE_EFFECT_SECONDS, self._durable.save)
            await send(message)

        if scope["type"] == "lifespan":
            await self._app(scope, receive, started)
        elif scope.get("path") == DATABASES:
            await _answer(send, await asyncio.to_thread(self._databases.answers))
        else:
            with suppress(DisconnectedError):
                await self._app(scope, _whole(receive), saved if _changes_state(scope) else send)


class DisconnectedError(Exception):
    """The client went away before it had sent its request."""


def _whole(receive: Receive) -> Receive:
    """Gives the application whole requests only: it takes the end of a connection for the end of a body, and would
    make a bucket without the tags that a killed client had still to send."""
    complete = False

    async def received() -> Any:
        nonlocal complete
        message = await receive()
        if message["type"] == "http.disconnect" and not complete:
            raise DisconnectedError
        complete = complete or not message.get("more_body", False)
        return message

    return received


def _changes_state(scope: Any) -> bool:
    """False for what surely only reads: by its method, or by the action in its header."""
    target = dict(scope.get("headers", ())).get(b"x-amz-target", b"").rpartition(b".")[2]
    reads = target.startswith((b"Get", b"List", b"Describe", b"BatchGet"))
    return scope.get("method") in ("POST", "PUT", "DELETE", "PATCH") and not reads


async def _answer(send: Send, value: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


if __name__ == "__main__":
    os.umask(0o077)
    serve(Path(sys.argv[1]))
