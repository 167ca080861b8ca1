"""Brings what waits in the spool into Postgres, each entry once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from pydantic import ValidationError

from webnext import metrics
from webnext.audit.row import UnstorableError, row_of
from webnext.audit.spool import BAD, Spool, Spooled
from webnext.audit.writer import Writer
from webnext.dependency import AwayError, one_line
from webnext.postgres import Postgres
from webnext.services import KeyReusedError

TOGETHER = 4
"""Objects at a time: most of the spool's threads stay free for what arrives."""


class Replayer:
    """Deletes an object after its entry is committed. Where the deletion fails, the next replay finds the entry in
    Postgres and deletes the object then. Several processes may replay at once."""

    def __init__(self, postgres: Postgres, writer: Writer, spool: Spool) -> None:
        self._postgres = postgres
        self._writer = writer
        self._spool = spool

    async def replay(self) -> None:
        """Go through the spool once: count it, with what was set aside, and empty it as far as Postgres answers. Raises
        AwayError."""
        waiting, away = 0, await self._away()
        async for names in self._spool.pages():
            waiting += len(names)
            if not away:
                waiting -= await self._empty([name for name in names if not name.startswith(BAD)])
                away = self._postgres.dependency.is_open
        metrics.AUDIT_SPOOLED.set(waiting)
        metrics.say(spooledEntries=waiting)

    async def _away(self) -> bool:
        try:
            await self._postgres.run("SELECT")
        except AwayError:
            return True
        return False

    async def _empty(self, names: Sequence[str]) -> int:
        """Replay these; how many are gone. One that fails stays and stops no other; a dependency that is away does."""
        left = iter(names)
        gone = 0

        async def work() -> None:
            nonlocal gone
            for name in left:
                if self._postgres.dependency.is_open or self._spool.dependency.is_open:
                    return
                with suppress(AwayError):
                    if await self._replay(name):
                        gone += 1

        await asyncio.gather(*(work() for _ in range(TOGETHER)))
        return gone

    async def _replay(self, name: str) -> bool:
        """Whether nothing of it is left in S3."""
        document = await self._spool.read(name)
        if document is None:  # another process was faster
            return True
        try:
            spooled = Spooled.model_validate_json(document)
            row = row_of(spooled.entry, spooled.traceId, spooled.key, spooled.acceptedAt, spooled.actor)
            await self._writer.append(row)
        except (ValidationError, KeyReusedError, UnstorableError) as error:
            await self._spool.set_aside(name, document, one_line(error))
            return False
        await self._spool.delete(name)
        return True
