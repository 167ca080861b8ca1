"""How much of the traffic the candidate gets: read from what routes, and set there."""

from __future__ import annotations

import os

from cutover.traffic.kept import KeptShare
from cutover.traffic.split import STACK, TrafficSplit
from outputs.traffic import DockerTraffic, FargateTraffic

__all__ = ["MOUNTED", "KeptShare", "traffic_split"]

MOUNTED = "EDGE_MOUNTED"
"""The environment's name for the edge's container whose volume is mounted here, where it has it itself."""


def traffic_split(where: DockerTraffic | FargateTraffic, stack: str = STACK) -> TrafficSplit:
    """The split that the output `traffic` of `stack` describes; where nobody says which, its lines name a STACK."""
    if isinstance(where, DockerTraffic):
        from cutover.traffic.docker import EdgeTraffic, MountedTraffic

        kind = MountedTraffic if os.environ.get(MOUNTED) == where.container else EdgeTraffic
        return kind(stack=stack, container=where.container, folder=where.folder)
    from cutover.traffic.fargate import ListenerTraffic

    return ListenerTraffic.of(where, stack)
