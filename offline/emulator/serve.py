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
from functools import partial
from pathlib import Path
from typing import Any

from offline.emulator import cors
from offline.emulator.addresses import AddressError, Addresses
from offline.emulator.admission import DATABASES, Admission, Receive, Send, answer
from offline.emulator.containers import Containers
from offline.emulator.databases import Databases
from offline.emulator.durable import Durable, TornError
from offline.emulator.operations import LOOKING
from offline.emulator.patching import patch
from offline.emulator.rights import Rights
from offline.emulator.served import caller, narrow
from offline.emulator.sessions import Sessions
from offline.emulator.sts import Sts
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
    rights = Rights(ministack.app)
    narrow(ministack.app, folder / "state", rights)
    transit = Transit(root / ".local" / "tls")
    containers = Containers(machine, Addresses(folder / "addresses.json", machine.subnet), transit)
    containers.narrow()
    engine = docker.from_env()
    containers.keep_addresses(engine)
    databases = Databases(ministack.app, containers, transit)
    databases.install()
    durable = Durable(ministack.app, persistence, folder / "blobs")
    durable.install()
    sessions = Sessions((folder / "key").read_text())
    Sts(sessions, rights, machine.account, caller).install(ministack.app)
    patch(ministack.app._get_module("s3"), "_verify_presigned_sigv4", lambda _: lambda *_: None)  # admission has
    config = Config()
    config.bind = [f"{machine.gateway}:{machine.emulator_port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    gate = Gate(ministack.app.app, databases, durable)
    processes = partial(containers.is_process, engine)
    asyncio.run(listen(Admission(machine, sessions, processes, cors.stored(ministack.app), gate), config))


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
            told = json.dumps(await asyncio.to_thread(self._databases.answers)).encode()
            await answer(send, 200, {"Content-Type": "application/json"}, told)
        else:
            await self._app(scope, receive, saved if _changes_state(scope) else send)


def _changes_state(scope: Any) -> bool:
    """False for what surely only reads: by its method, or by the action in its header."""
    target = dict(scope.get("headers", ())).get(b"x-amz-target", b"").rpartition(b".")[2]
    return scope.get("method") in ("POST", "PUT", "DELETE", "PATCH") and not target.decode("latin-1").startswith(
        LOOKING
    )


if __name__ == "__main__":
    os.umask(0o077)
    try:
        serve(Path(sys.argv[1]))
    except (AddressError, TornError) as problem:
        sys.exit(str(problem))
