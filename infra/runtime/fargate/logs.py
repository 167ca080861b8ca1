"""Where tasks log: a group for each kind of container, so that no line of one counts as another's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import pulumi
import pulumi_aws as aws

from infra.naming import Names
from infra.runtime.fargate.balancer import TRACKS
from outputs.release import Track
from outputs.slots import TrackLogs


@dataclass(frozen=True, kw_only=True)
class TaskLogsArgs:
    """The names of the groups, of each track's containers and of the watch's; lines are kept for `days`."""

    tracks: Mapping[Track, TrackLogs]
    watch: str
    days: int

    @classmethod
    def of(cls, names: Names, days: int) -> TaskLogsArgs:
        return cls(
            tracks={
                track: TrackLogs(**{one.name: f"/ecs/{names.prefix}/{track}-{one.name}" for one in fields(TrackLogs)})
                for track in TRACKS
            },
            watch=f"/ecs/{names.prefix}/watch",
            days=days,
        )

    @property
    def groups(self) -> dict[str, str]:
        """Every group's name, by whose lines it has: `stable-edge`."""
        of_tracks = [name for logs in self.tracks.values() for name in logs.output().values()]
        return {name.rpartition("/")[2]: name for name in (*of_tracks, self.watch)}


class TaskLogs(pulumi.ComponentResource):
    """The log groups. What depends on it comes after all of them."""

    def __init__(self, name: str, args: TaskLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:TaskLogs", name, None, opts)
        for part, group in args.groups.items():
            aws.cloudwatch.LogGroup(
                f"{name}-{part}",
                name=group,
                retention_in_days=args.days,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
