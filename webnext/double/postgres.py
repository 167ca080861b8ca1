"""Where the double's journal goes in the end: the audit log in Postgres."""

from __future__ import annotations

from webnext.audit.row import row_of
from webnext.audit.writer import Writer
from webnext.contract import AuditEntryV1
from webnext.postgres import Postgres
from webnext.vault import Vault


class PostgresStore:
    """The audit log at the address that the vault holds. An AuditStore."""

    def __init__(self, vault: Vault) -> None:
        self._postgres = Postgres(vault)
        self._writer = Writer(self._postgres)

    async def open(self) -> None:
        """Start the pool; returns at once."""
        await self._postgres.open()

    async def close(self) -> None:
        """Write what waits, and stop."""
        await self._writer.close()
        await self._postgres.close()

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str) -> object:
        """Keep the entry once for each key. Raises AwayError, KeyReusedError, UnstorableError."""
        return await self._writer.append(row_of(entry, trace_id, key))
