"""The output traffic: where the split between the tracks is set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from outputs.release import Track
from outputs.shape import Shape, read


@dataclass(frozen=True, kw_only=True)
class DockerTraffic(Shape):
    """The edge's container, and the folder in it whose files are the candidate's buckets."""

    runtime: Literal["docker"] = "docker"
    container: str
    folder: str


@dataclass(frozen=True, kw_only=True)
class FargateTraffic(Shape):
    """The HTTPS listener, and the two target groups that it forwards to; all three are ARNs. A browser is kept on its
    track for `pinned_seconds` while both have a share, if at all."""

    runtime: Literal["fargate"] = "fargate"
    region: str
    listener: str
    stable: str
    candidate: str
    pinned_seconds: int | None = None

    def dimensions(self, track: Track) -> dict[str, str]:
        """What CloudWatch knows the track's target group by: the ends of its ARN and of the load balancer's, which the
        listener's begins with."""
        group = self.stable if track == "stable" else self.candidate
        balancer = self.listener.partition(":listener/")[2].rpartition("/")[0]
        return {"TargetGroup": group.rpartition(":")[2], "LoadBalancer": balancer}


def traffic_from(value: object) -> DockerTraffic | FargateTraffic:
    """The shape that the output describes. Raises OutputError."""
    shape: DockerTraffic | FargateTraffic = read(
        Annotated[DockerTraffic | FargateTraffic, Field(discriminator="runtime")], value
    )
    return shape
