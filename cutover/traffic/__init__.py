"""How much of the traffic the candidate gets: read from what routes, and set there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from cutover.errors import CutoverError


class TrafficError(CutoverError):
    """The split cannot be read or set. One line, with the way out."""

    exit_code = 10


class TrafficSplit(Protocol):
    """The split between the two tracks of one base stack."""

    def get(self) -> int:
        """The candidate's share in percent, as what routes has it. Raises TrafficError."""

    def set(self, weight: int) -> None:
        """Gives the candidate this share, 0 to 100 percent, for every request from now on. Raises TrafficError."""


def traffic_split(output: Mapping[str, Any]) -> TrafficSplit:
    """The split that a stack's output `traffic` describes. Raises TrafficError on a runtime that is not known."""
    runtime = output.get("runtime")
    if runtime == "docker":
        from cutover.traffic.edge import EdgeTraffic

        return EdgeTraffic(container=output["container"], folder=output["folder"])
    if runtime == "fargate":
        from cutover.traffic.listener import ListenerTraffic

        return ListenerTraffic.of(output)
    raise TrafficError(
        f"output traffic has runtime {runtime!r}: docker and fargate are known; bring the stack up again"
    )


def checked(weight: object) -> int:
    """The weight, if it is one. Raises TrafficError."""
    if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= 100:
        raise TrafficError(f"weight is {weight!r}: the candidate's share is a whole number of percent, 0 to 100")
    return weight
