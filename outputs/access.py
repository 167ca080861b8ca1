"""The output audit_db_access: how the audit database is reached, and what a stack's file wishes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from outputs.shape import Shape

Mode = Literal["direct", "tunnel", "later"]
TUNNEL_PORT = 15432
"""This machine's end of a tunnel where the stack's file names no other port."""


@dataclass(frozen=True, kw_only=True)
class DatabaseAccess(Shape):
    """`mode` is direct, tunnel (a session through the instance of the Auto Scaling group `bastion`, which ends at
    `local_port` of this machine) or later (roles and schema come another time). `endpoint` is the server's host:port,
    `secret_arn` a role's URL in the vault, `emulator` the API's address on docker stacks. Entries are kept for ever
    without `retention_months`."""

    mode: Mode
    endpoint: str
    secret_arn: str
    region: str
    emulator: str | None = None
    bastion: str | None = None
    local_port: int | None = None
    retention_months: int | None = None

    def __post_init__(self) -> None:
        if self.mode == "tunnel" and self.local_port is None:
            raise ValueError("mode tunnel needs a local_port")


@dataclass(frozen=True, kw_only=True)
class WishedAccess(Shape):
    """What the section `database` of a stack's file says of the way, and of how often the app's password was changed:
    it counts from the next update on."""

    access: Mode = "direct"
    tunnel_port: Annotated[int, Field(validation_alias="tunnelPort")] = TUNNEL_PORT
    writer_rotation: Annotated[int, Field(validation_alias="writerRotation")] = 0
