"""Before an update begins: what would stop it in its middle is found while nothing has changed yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cutover import migrator
from cutover.errors import UnreachableError
from cutover.tunnel import Tunnel, listens

SCHEMA = "pulumi-python:dynamic/web-next:Schema"
TUNNEL_PORT = 15432
"""The default of web-next:databaseTunnelPort."""


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What is known before an update of `stack`: its file's `config`, and what its last update left, its `outputs`
    and the `resources` of its state. Both are empty before the first."""

    stack: str
    config: Mapping[str, Any]
    outputs: Mapping[str, Any]
    resources: Sequence[Mapping[str, Any]]

    def require_unedited(self, folder: Path) -> None:
        """Raises MigrationError that names each migration whose file is not what was applied."""
        for resource in self.resources:
            if resource["type"] == SCHEMA:
                migrator.require_unedited(folder, resource.get("inputs", {}).get("checksums") or {})

    @contextmanager
    def reaching_the_database(self) -> Iterator[None]:
        """Keeps the database of the last update reachable for the block, through a tunnel where the file says so.

        There is nothing to reach before the first update, nor with databaseAccess later. Raises UnreachableError.
        """
        mode = self.config.get("web-next:databaseAccess", "direct")
        endpoint = self.outputs.get("audit_db_endpoint")
        if mode == "later" or not (endpoint or mode == "tunnel"):
            yield
        elif mode == "tunnel":
            with self._tunnel(endpoint).opened():
                yield
        else:
            host, _, port = str(endpoint).rpartition(":")
            if not listens(host, int(port)):
                raise UnreachableError(
                    f"the audit database at {endpoint} does not answer, and roles and schema are made from here: "
                    "bring it back (make up starts a machine's own), or set web-next:databaseAccess to tunnel"
                )
            yield

    def _tunnel(self, endpoint: str | None) -> Tunnel:
        access = self.outputs.get("audit_db_access") or {}
        if not endpoint or not access.get("bastion"):
            raise UnreachableError(
                f"databaseAccess is tunnel, and stack {self.stack} has no bastion yet: "
                "set web-next:databaseAccess to later, bring it up, then set it to tunnel"
            )
        host, _, port = endpoint.rpartition(":")
        return Tunnel(
            bastion=access["bastion"],
            host=host,
            port=int(port),
            local_port=int(self.config.get("web-next:databaseTunnelPort", TUNNEL_PORT)),
            region=access["region"],
        )
