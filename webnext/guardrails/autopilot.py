"""What the flags do: a breach pauses a share of the live strategies, a quiet desk promotes a share of a batch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from webnext import context, logs, metrics
from webnext.audit.own import own_entry
from webnext.contract.audit import AuditEntryV1
from webnext.contract.guardrails import Automation, Breach
from webnext.dependency import AwayError, every
from webnext.flags import Flags
from webnext.guardrails import rules
from webnext.guardrails.desk import Desk
from webnext.services import Audit, KeyReusedError

POLL_SECONDS = 5.0
"""Between two looks at the executor; a breach is to be followed by an audited pause within 60 s."""
STOP_SECONDS = 5.0
"""How long a stop waits for the turn that has begun."""

log = logging.getLogger("webnext.autopilot")


class _Done(NamedTuple):
    at: datetime
    strategies: list[str]


class Autopilot:
    """Watches the executor and acts on it, once for each breach and batch, however many processes do the same.

    The executor answers the first call for a breach or a batch and repeats that answer to later ones; the audit log
    keeps one entry for each under a key made of its id. What an audit log that is away did not take is offered again
    every turn.
    """

    def __init__(
        self, desk: Desk, flags: Flags, audit: Audit, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._desk = desk
        self._flags = flags
        self._audit = audit
        self._clock = clock
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._noticed: set[str] = set()
        self._answered: set[str] = set()
        self._last_batch: str | None = None
        self._unaudited: dict[str, AuditEntryV1] = {}
        self._pause: _Done | None = None
        self._promotion: _Done | None = None

    @property
    def auto_pause(self) -> Automation:
        """The share in force and the last pause by this process."""
        return _shown(self._flags.now.FEATURE_AUTO_PAUSE, self._pause)

    @property
    def batch_promote(self) -> Automation:
        """The share in force and the last promotion by this process."""
        return _shown(self._flags.now.FEATURE_BATCH_PROMOTE, self._promotion)

    def start(self) -> None:
        """Take a turn now and every POLL_SECONDS."""
        self._task = asyncio.create_task(every(POLL_SECONDS, "the autopilot", self.turn))

    async def stop(self) -> None:
        """Let the turn that has begun end, then stop; say in the log what no audit log took."""
        if self._task:
            try:
                await asyncio.wait_for(self._turn.acquire(), STOP_SECONDS)
            except TimeoutError:
                log.warning("stopped in the middle of a turn, after waiting %g s for its end", STOP_SECONDS)
            self._task.cancel()
            await asyncio.wait({self._task})
        for entry in self._unaudited.values():
            _in_the_log(entry)

    async def turn(self) -> None:
        """Look once and do what the rules say. Raises AwayError where the executor is away."""
        async with self._turn:
            try:
                await self._act()
            finally:
                await self._audit_all()

    async def _act(self) -> None:
        guardrails = await self._desk.guardrails()
        breaches = rules.recent(guardrails.breaches, self._clock())
        known = {breach.id for breach in breaches}
        self._noticed &= known
        self._answered &= known
        for breach in breaches:
            if breach.id not in self._answered:
                await self._answer(breach)
        if not breaches:
            await self._promote()

    async def _answer(self, breach: Breach) -> None:
        share = self._flags.now.FEATURE_AUTO_PAUSE
        key = rules.key_of("auto_pause", breach.id)
        with _traced(key):
            if breach.id not in self._noticed:
                log.warning("breach %s of %s; FEATURE_AUTO_PAUSE is %g", breach.id, breach.guardrail, share)
                self._noticed.add(breach.id)
            if not share:
                return
            try:
                live = await self._desk.live()
                paused = await self._desk.pause(breach.id, rules.chosen(share, breach.id, live, breach.strategyId))
            except AwayError as error:  # the next turn tries again; the other breaches have theirs now
                log.warning("breach %s: the pause is tried again: %s", breach.id, error)
                return
            log.warning("breach %s: %d strategies are paused", breach.id, len(paused))
        self._answered.add(breach.id)
        self._pause = _Done(self._clock(), paused)
        details = {"breachId": breach.id, "guardrail": breach.guardrail, "share": share, "paused": paused}
        self._unaudited[key] = own_entry("auto_pause", details, strategy=breach.strategyId)

    async def _promote(self) -> None:
        share = self._flags.now.FEATURE_BATCH_PROMOTE
        batch = await self._desk.pending() if share else None
        if batch is None or batch.id == self._last_batch:
            return
        key = rules.key_of("batch_promote", batch.id)
        with _traced(key):
            promoted = await self._desk.promote(batch.id, rules.chosen(share, batch.id, batch.strategyIds))
            log.info("batch %s: %d strategies are live", batch.id, len(promoted))
        self._last_batch = batch.id
        self._promotion = _Done(self._clock(), promoted)
        details = {"batchId": batch.id, "share": share, "promoted": promoted}
        self._unaudited[key] = own_entry("batch_promote", details)

    async def _audit_all(self) -> None:
        for key, entry in list(self._unaudited.items()):
            with _traced(key):
                try:
                    await self._audit.append(entry, rules.trace_of(key), key)
                except AwayError as error:
                    log.warning("%s: auditing is tried again: %s", key, error)
                    continue
                except KeyReusedError:
                    log.info("%s: a process with another share has audited it", key)
                except ValueError as error:
                    log.warning("%s: no audit log will take it: %s", key, error)
                    _in_the_log(entry)
            del self._unaudited[key]
            if entry.action == "auto_pause":
                metrics.AUTO_PAUSES.inc()
                metrics.say(autoPauses=1)


def _in_the_log(entry: AuditEntryV1) -> None:
    logs.unaudited(entry.action, {"strategyId": entry.strategyId, "details": entry.details})


def _shown(share: float, done: _Done | None) -> Automation:
    return Automation(share=share, at=done and done.at, strategies=done.strategies if done else [])


@contextmanager
def _traced(key: str) -> Iterator[None]:
    token = context.trace_id.set(rules.trace_of(key))
    try:
        yield
    finally:
        context.trace_id.reset(token)
