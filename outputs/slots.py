"""The output slots: where each track's release is placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outputs.shape import Shape


@dataclass(frozen=True, kw_only=True)
class DockerPlace(Shape):
    """host:port of the stable release's app on the Docker network."""

    address: str


@dataclass(frozen=True, kw_only=True)
class SlotFiles(Shape):
    """The volume of the files that a release mounts, and their digest."""

    volume: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class DockerSlot(Shape):
    """What a docker stack keeps for a candidate: its app's host:port, its worker's address, whether both get a way out
    of the clone's network, what they are told, and their files."""

    address: str
    worker: str
    outside: bool
    environment: Mapping[str, str]
    files: SlotFiles


@dataclass(frozen=True, kw_only=True)
class DockerSlots(Shape):
    """Both slots of a docker stack."""

    stable: DockerPlace
    candidate: DockerSlot


@dataclass(frozen=True, kw_only=True)
class FargatePlace(Shape):
    """ARN of the stable release's target group."""

    target_group: str


@dataclass(frozen=True, kw_only=True)
class EdgeAccess(Shape):
    """The networks that may ask for the console, and those that may use each path of machines: alerts and audit entries
    are posted there."""

    console: Sequence[str]
    webhook: Sequence[str]
    audit_push: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class EdgeLimits(Shape):
    """What one address may send beside the playbook's limit of the API: alerts and pages a minute, and requests that it
    has under way at a time."""

    webhook_per_minute: int
    webhook_burst: int
    pages_per_minute: int
    requests: int


@dataclass(frozen=True, kw_only=True)
class TaskEdge(Shape):
    """What the nginx of a candidate's task is told beside its track."""

    edge_id: str
    server_name: str
    rate_per_minute: int
    burst: int
    limits: EdgeLimits
    trusted_proxies: Sequence[str]
    trusted_callers: Sequence[str]
    access: EdgeAccess


@dataclass(frozen=True, kw_only=True)
class Scaling(Shape):
    """Between how many tasks a track's service is scaled, and the `label` of its balancer and target group, by which
    requests for each task are counted."""

    least: int
    most: int
    label: str


@dataclass(frozen=True, kw_only=True)
class TrackLogs(Shape):
    """The log groups of a track: what one kind of container writes is in its own, and nothing else is."""

    edge: str
    app: str
    worker: str


@dataclass(frozen=True, kw_only=True)
class SlotAlarms(Shape):
    """What a candidate's own alarms are made with: how their names begin, where what they watch is counted, and the
    topic that they tell, an ARN."""

    prefix: str
    namespace: str
    topic: str


@dataclass(frozen=True, kw_only=True)
class FargateSlot(Shape):
    """What a fargate stack keeps for a candidate: all that its service needs, and nothing else of the base.

    Roles, cluster and target group are ARNs; subnets and security group ids. `environment` is what the app is told.
    `ready_alarm` is the alarm that ends a deployment. It is scaled as stable is.
    """

    region: str
    cluster: str
    subnets: Sequence[str]
    security_group: str
    target_group: str
    execution_role: str
    task_role: str
    logs: TrackLogs
    ready_alarm: str
    alarms: SlotAlarms
    scaling: Scaling
    edge: TaskEdge
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class FargateSlots(Shape):
    """Both slots of a fargate stack."""

    stable: FargatePlace
    candidate: FargateSlot
