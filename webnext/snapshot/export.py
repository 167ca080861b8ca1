"""What a snapshot file says, line by line."""

from __future__ import annotations

import asyncio
import csv
import io
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from webnext import context
from webnext.contract.audit import AuditItem
from webnext.dependency import AwayError
from webnext.services import Services
from webnext.snapshot.cells import cell, comment, json_cell

COLUMNS = ("ts", "id", "action", "result", "strategyId", "traceId", "actor", "details")
"""The time first: no row can look like a comment."""
PIECE_BYTES = 64 * 1024
FALLBACK_ROWS = 500
"""As many as /api/audit/list gives, from where no more can be had."""

log = logging.getLogger("webnext.snapshot")


async def snapshot(services: Services, hours: int, now: datetime) -> AsyncGenerator[bytes, None]:
    """Yield the file in pieces of about PIECE_BYTES.

    It starts with comments, `# _mock: true` among them where the entries are a fallback's or a mock's; then come the
    entries, oldest first; its last line is `# Rows: N`, or `# INCOMPLETE: …` where the source failed on the way.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    rows = _Rows(services, hours, now)
    async with aclosing(rows.entries()) as entries:
        item = await anext(entries, None)
        buffer.write(await _head(services, hours, now))
        if rows.mock:
            buffer.write(comment("_mock", f"true, {rows.mock}"))
        writer.writerow(COLUMNS)
        count = 0
        try:
            while item is not None:
                writer.writerow(_row(item))
                count += 1
                if buffer.tell() >= PIECE_BYTES:
                    yield _taken(buffer)
                item = await anext(entries, None)
        except AwayError as error:
            end = comment("INCOMPLETE", f"ends after {count} rows: {error}")
        except Exception:
            log.exception("an export ended early")
            end = comment("INCOMPLETE", f"ends after {count} rows: internal error")
        else:
            end = comment("Rows", str(count))
        buffer.write(end)
        yield _taken(buffer)


class _Rows:
    """The entries of the period, and whether they are a fallback's: `mock` says why, once the first one is there."""

    def __init__(self, services: Services, hours: int, now: datetime) -> None:
        self._audit = services.audit
        self._hours = hours
        self._from = now - timedelta(hours=hours)
        self.mock = ""

    async def entries(self) -> AsyncGenerator[AuditItem, None]:
        """The audit log's, or, where it is away before the first one, the fallback's. Raises AwayError midway."""
        rows = self._audit.since(self._hours)
        try:
            first = await anext(rows, None)
        except AwayError as away:
            await _close(rows)
            async for item in self._fallback(away):
                yield item
            return
        try:
            if first is not None:
                yield first
                async for item in rows:
                    yield item
        finally:
            await _close(rows)

    async def _fallback(self, away: AwayError) -> AsyncIterator[AuditItem]:
        context.stand_in(away.dependency)
        self.mock = f"at most the newest {FALLBACK_ROWS} entries that a fallback has: {away}"
        for item in reversed((await self._audit.newest(FALLBACK_ROWS)).items):
            if item.ts.replace(tzinfo=item.ts.tzinfo or UTC) >= self._from:
                yield item


async def _close(rows: AsyncIterator[AuditItem]) -> None:
    if isinstance(rows, AsyncGenerator):
        await rows.aclose()


async def _head(services: Services, hours: int, now: datetime) -> str:
    guardrails, queue = await asyncio.gather(services.guardrails.read(), services.alerts.counts())
    thresholds = " ".join(f"{name}={value:g}" for name, value in guardrails.thresholds.items())
    breach = guardrails.lastBreach
    last = f"{breach.guardrail} {breach.value:g} at {_time(breach.at)}" if breach else "none"
    return "".join(
        (
            "# Spark Trading Platform - Snapshot Export\n",
            comment("Environment", services.settings.environment),
            comment("Build SHA", services.settings.build_sha),
            comment("Exported At", _time(now, "seconds")),
            comment("Period", f"{hours} hours"),
            comment("Flags", " ".join(f"{name}={value}" for name, value in services.flags.now)),
            comment("Guardrails", f"{_marked(guardrails.mock)}{thresholds} last breach: {last}"),
            comment("Queue", f"{_marked(queue.mock)}pending={queue.pending} dlq={queue.dlq}"),
        )
    )


def _marked(mock: bool) -> str:
    return "_mock=true " if mock else ""


def _row(item: AuditItem) -> tuple[str, ...]:
    return (
        _time(item.ts, "microseconds"),
        cell(str(item.id)),
        cell(item.action),
        item.result,
        cell(item.strategyId or ""),
        cell(item.traceId or ""),
        cell(item.actor or ""),
        json_cell(item.details),
    )


def _time(at: datetime, timespec: str = "auto") -> str:
    return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode(errors="replace")
