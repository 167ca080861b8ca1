"""The audit database of a stack: how it is reached, and a connection to it as its owner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Self

import psycopg

from cutover.errors import CutoverError, MigrationError, UnreachableError
from cutover.schema import migrator
from cutover.schema.secrets import secret_value
from cutover.schema.tunnel import LOOPBACK, Tunnel, listens


@dataclass(frozen=True, kw_only=True)
class DatabaseAccess:
    """The stack's output audit_db_access.

    `mode` is direct, tunnel (a session through `bastion` that ends at `local_port` of this machine) or later (roles
    and schema come another time). `endpoint` is the server's host:port, `secret_arn` the owner's URL in the vault,
    `emulator` the API's address on docker stacks. Entries are kept for ever without `retention_months`.
    """

    mode: Literal["direct", "tunnel", "later"]
    endpoint: str
    secret_arn: str
    region: str
    emulator: str | None
    bastion: str | None
    local_port: int | None
    retention_months: int | None

    @classmethod
    def from_output(cls, value: Mapping[str, Any]) -> Self:
        """The access that the output describes. Raises CutoverError when it is another version's."""
        fields: dict[str, Any] = {name: value.get(name) for name in cls.__dataclass_fields__}
        for name in ("local_port", "retention_months"):  # Pulumi has no integers
            fields[name] = None if fields[name] is None else int(fields[name])
        made = cls(**fields)
        if made.mode not in ("direct", "tunnel", "later") or (made.mode == "tunnel" and made.local_port is None):
            raise CutoverError(
                f"output audit_db_access has mode {made.mode!r} and local port {made.local_port}, which this revision "
                "does not know: use the revision that brought the stack up"
            )
        return made

    @property
    def address(self) -> tuple[str, int] | None:
        """Where to connect in place of the endpoint: this machine's end of the tunnel."""
        return (LOOPBACK, self.local_port) if self.mode == "tunnel" and self.local_port else None

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """Keeps the server reachable for the block, by a tunnel of its own where one is needed and none is open.

        Raises UnreachableError when nothing answers.
        """
        host, _, port = self.endpoint.rpartition(":")
        if self.mode == "tunnel" and self.bastion and self.local_port and not listens(LOOPBACK, self.local_port):
            tunnel = Tunnel(
                bastion=self.bastion, host=host, port=int(port), local_port=self.local_port, region=self.region
            )
            with tunnel.opened():
                yield
        elif self.mode == "direct" and not listens(host, int(port)):
            way_out = "make up starts it" if self.emulator else "go to where it does, or set databaseAccess to tunnel"
            raise UnreachableError(
                f"the audit database at {self.endpoint} does not answer, "
                f"and what is inside it is made from here: {way_out}"
            )
        else:
            yield

    @contextmanager
    def open(self, database: str | None = None) -> Iterator[psycopg.Connection]:
        """A connection as the owner, to the audit database or the one named.

        Raises MigrationError when the stack put the database off, UnreachableError when nothing answers there,
        CutoverError when the vault does not give the secret.
        """
        if self.mode == "later":
            raise MigrationError(
                "web-next:databaseAccess is later, so the audit database has no schema yet: set it to direct or tunnel "
                "and bring the stack up"
            )
        url = secret_value(self.secret_arn, region=self.region, emulator=self.emulator)
        with (
            self.reachable(),
            migrator.connect(url, address=self.address, database=database) as connection,
        ):
            yield connection
