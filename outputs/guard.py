"""What a guard is told of the stack that it stands in: who may tell whether its release is in use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from outputs.release import Track
from outputs.shape import Shape
from outputs.traffic import DockerTraffic, FargateTraffic


@dataclass(frozen=True, kw_only=True)
class Guarded(Shape):
    """The release whose digest is `release`, in `stack`, on the base stack `base`, which a stable track's is itself.

    `records_bucket` is the base's; `emulator` is the API's address on docker stacks. `traffic` is what routes to a
    candidate. `may_replace` names a release that may be updated all the same.
    """

    stack: str
    base: str
    track: Track
    release: str
    account: str
    region: str
    emulator: str | None = None
    records_bucket: str
    traffic: Annotated[DockerTraffic | FargateTraffic, Field(discriminator="runtime")] | None = None
    may_replace: str | None = None
