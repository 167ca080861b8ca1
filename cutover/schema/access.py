"""The audit database of a stack: how it is reached, and a connection to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cutover import aws
from cutover.errors import MigrationError, UnreachableError
from cutover.schema import authorities
from cutover.schema.connection import connect
from cutover.schema.secrets import secret_value
from cutover.schema.tunnel import LOOPBACK, Tunnel, instance_of, listens
from outputs.access import DatabaseAccess

if TYPE_CHECKING:
    import psycopg


class AuditDatabase(DatabaseAccess):
    """The audit database as an output describes it: audit_db_access for its owner, smoke_target for its reader."""

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
            groups = aws.client("autoscaling", aws.Account(region=self.region))
            tunnel = Tunnel(
                bastion=instance_of(self.bastion, groups),
                host=host,
                port=int(port),
                local_port=self.local_port,
                region=self.region,
            )
            with tunnel.opened():
                yield
        elif self.mode == "direct" and not listens(host, int(port)):
            way_out = "make up starts it" if self.emulator else "go to where it does, or set database.access to tunnel"
            raise UnreachableError(
                f"the audit database at {self.endpoint} does not answer, "
                f"and what is inside it is made from here: {way_out}"
            )
        else:
            yield

    @contextmanager
    def open(self, database: str | None = None) -> Iterator[psycopg.Connection]:
        """A connection as the role whose secret it is, to the audit database or the one named.

        Raises MigrationError when the stack put the database off, UnreachableError when nothing answers there,
        CutoverError when the vault does not give the secret.
        """
        if self.mode == "later":
            raise MigrationError(
                "web-next:database.access is later, so the audit database has no schema: set it to direct or tunnel "
                "and bring the stack up"
            )
        url = secret_value(self.secret_arn, region=self.region, emulator=self.emulator)
        with (
            self.reachable(),
            connect(
                url,
                endpoint=self.endpoint,
                address=self.address,
                database=database,
                authorities=None if self.emulator else authorities.FILE,
            ) as connection,
        ):
            yield connection
