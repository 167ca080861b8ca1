"""The guardrails adapter over the real thing: the executor's answers, and the autopilot that acts on them."""

from __future__ import annotations

from webnext.contract.guardrails import GuardrailsAnswer
from webnext.dependency import AwayError
from webnext.guardrails.autopilot import Autopilot
from webnext.guardrails.desk import Desk
from webnext.guardrails.mock import THRESHOLDS
from webnext.settings import Adapter
from webnext.standing import Standing

READ_SECONDS = 1.0


class ProductionGuardrails:
    """Reads the executor anew for each request; while it is away, what it said last or the playbook's thresholds."""

    adapter: Adapter = "production"

    def __init__(self, desk: Desk, autopilot: Autopilot) -> None:
        self._desk = desk
        self._autopilot = autopilot
        self._standing = Standing()

    async def open(self) -> None:
        self._autopilot.start()

    async def close(self) -> None:
        await self._autopilot.stop()

    async def read(self) -> GuardrailsAnswer:
        away = None
        try:
            with self._standing.use("read"):
                await self._desk.guardrails(READ_SECONDS)
        except AwayError as error:
            away = str(error)
        known = self._desk.last
        return GuardrailsAnswer(
            mock=bool(away),
            err=away,
            thresholds=known.thresholds if known else THRESHOLDS,
            lastBreach=known.lastBreach if known else None,
            strategies=known.strategies if known else {},
            autoPause=self._autopilot.auto_pause,
            batchPromote=self._autopilot.batch_promote,
        )

    async def ping(self) -> None:
        await self._standing.prove(lambda: self._desk.guardrails(READ_SECONDS))
