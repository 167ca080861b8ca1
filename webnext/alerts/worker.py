"""The worker process: delivers alerts, keeps outbox and queues together, shows what waits, says that it is alive."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from webnext import tracing
from webnext.alerts import redis
from webnext.alerts.consumer import Consumer
from webnext.alerts.outbox import Outbox
from webnext.alerts.pace import Pace
from webnext.alerts.queues import Queues
from webnext.alerts.reconciler import Reconciler
from webnext.alerts.slack import Slack
from webnext.dependency import AwayError, every, one_line
from webnext.flags import Flags
from webnext.postgres import Postgres
from webnext.settings import Settings
from webnext.vault import Vault

LOOK_SECONDS = 0.5
"""Between two looks at ALERTS_CONSUME."""
REDIS_SECONDS = 5.0

log = logging.getLogger("webnext.alerts")


class Duty(NamedTuple):
    """Something to be done again and again, `pause` seconds after it ended. One that is at it for more than `limit`
    seconds, or is given up, makes the process unhealthy."""

    name: str
    pause: float
    limit: float
    work: Callable[[], Awaitable[None]]


class AlertWorker:
    """Everything that runs in one worker process. Postgres, Redis and Slack may be away, at the start too."""

    def __init__(self, settings: Settings, flags: Flags, vault: Vault, postgres: Postgres) -> None:
        self._settings = settings
        self._flags = flags
        self._vault = vault
        self._redis = redis.client(vault, settings.redis_ca_file)
        self._postgres = postgres
        self._outbox = Outbox(postgres)
        self._slack = Slack(vault)
        self._pace = Pace()
        self._dependency = redis.dependency(REDIS_SECONDS)
        self._reconciler = Reconciler(self._outbox, Queues(self._redis), self._dependency)
        self._consumer: Consumer | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._begun: dict[str, float] = {}
        self._duties = [
            Duty("delivering", LOOK_SECONDS, 60.0, self._consume),
            Duty("reconciling", 2.0, 180.0, self._reconciler.reconcile),
            Duty("measuring", 5.0, 60.0, self._reconciler.measure),
        ]

    async def start(self) -> None:
        """Start the loops; returns at once."""
        await self._postgres.open()
        self._loops = [asyncio.create_task(every(duty.pause, duty.name, self._turn(duty))) for duty in self._duties]

    async def stop(self) -> None:
        """Finish the deliveries that have begun, end the loops, close every connection."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._slack.close()
        await self._redis.connection_pool.aclose()
        await self._postgres.close()

    def stuck(self) -> list[str]:
        """The duties that are given up, or hang; none before the start."""
        now = time.monotonic()
        begun = dict(self._begun)
        if "delivering" in begun and self._consumer:  # which goes on for ever, and looks for jobs meanwhile
            begun["delivering"] = self._consumer.seen
        return [
            duty.name
            for duty, loop in zip(self._duties, self._loops, strict=False)
            if loop.done() or now - begun.get(duty.name, now) > duty.limit
        ]

    def _turn(self, duty: Duty) -> Callable[[], Awaitable[None]]:
        async def turn() -> None:
            self._begun[duty.name] = time.monotonic()
            try:
                await duty.work()
            finally:
                del self._begun[duty.name]

        return turn

    async def _consume(self) -> None:
        """One run of the consumer, while ALERTS_CONSUME is on. Raises AwayError where Redis is away at its start."""
        if not self._flags.now.ALERTS_CONSUME:
            return
        client = redis.client(self._vault, self._settings.redis_ca_file)
        self._consumer = Consumer(
            client,
            self._dependency,
            self._slack,
            self._pace,
            lambda job_id: self._outbox.delivered([job_id]),
            self._reconciler.bury,
            tracing.tracer(self._settings),
        )
        run = asyncio.create_task(self._consumer.run())
        try:
            while self._flags.now.ALERTS_CONSUME and not run.done():
                await asyncio.wait({run}, timeout=LOOK_SECONDS)
            if run.done():
                await run
        except redis.ERRORS as error:
            raise AwayError("redis", one_line(error)) from error
        finally:
            if not run.done():
                await self._consumer.stop()
                await asyncio.gather(run, return_exceptions=True)
            self._consumer = None
            await client.connection_pool.aclose()
