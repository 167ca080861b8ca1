"""By what this clone's containers and volumes are found, and removed by `make clean`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pulumi

from infra.settings.sections import MachineSettings

T = TypeVar("T")


def labels(make: Callable[..., T], machine: MachineSettings, **more: pulumi.Input[str]) -> list[T]:
    """The clone's label and `web-next.<key>` for each of `more`, as a container's or a volume's."""
    given = {"clone": machine.clone, **more}
    return [make(label=f"web-next.{key}", value=value) for key, value in sorted(given.items())]
