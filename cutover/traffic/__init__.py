"""How much of the traffic the candidate gets: read from what routes, and set there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cutover.errors import TrafficError
from cutover.traffic.split import TrafficSplit


def traffic_split(output: Mapping[str, Any]) -> TrafficSplit:
    """The split that a stack's output `traffic` describes. Raises TrafficError on a runtime that is not known."""
    runtime = output.get("runtime")
    if runtime == "docker":
        from cutover.traffic.docker import EdgeTraffic

        return EdgeTraffic(container=output["container"], folder=output["folder"])
    if runtime == "fargate":
        from cutover.traffic.fargate import ListenerTraffic

        return ListenerTraffic.of(output)
    raise TrafficError(
        f"output traffic has runtime {runtime!r}: docker and fargate are known; bring the stack up again"
    )
