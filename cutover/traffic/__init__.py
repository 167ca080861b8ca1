"""How much of the traffic the candidate gets: read from what routes, and set there."""

from __future__ import annotations

from cutover.traffic.split import TrafficSplit
from outputs.traffic import DockerTraffic, FargateTraffic


def traffic_split(where: DockerTraffic | FargateTraffic) -> TrafficSplit:
    """The split that a stack's output `traffic` describes."""
    if isinstance(where, DockerTraffic):
        from cutover.traffic.docker import EdgeTraffic

        return EdgeTraffic(container=where.container, folder=where.folder)
    from cutover.traffic.fargate import ListenerTraffic

    return ListenerTraffic.of(where)
