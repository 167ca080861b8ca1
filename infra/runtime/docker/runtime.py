"""The docker runtime: all that runs of a base stack on one machine, and the slot that it keeps for a candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pulumi

from infra.naming import Names
from infra.nginx import EdgeConfig
from infra.release import Release, shared_environment
from infra.runtime.docker.edge import DockerEdge, DockerEdgeArgs
from infra.runtime.docker.executor import DockerExecutor, DockerExecutorArgs
from infra.runtime.docker.files import Files, FilesArgs
from infra.runtime.docker.metrics import Metrics, MetricsArgs
from infra.runtime.docker.service import DockerRelease, DockerServiceArgs, needs_outside
from infra.runtime.docker.watch import Watch, WatchArgs
from infra.settings.keys import Settings
from outputs.slots import DockerPlace, DockerSlot, DockerSlots, SlotFiles
from outputs.smoke import DockerProcesses
from outputs.traffic import DockerTraffic


@dataclass(frozen=True, kw_only=True)
class DockerRuntimeArgs:
    """`service` is the stable release in its slot; `outside` is whether a release gets a way out; `receiver` is where
    the executor's `double`, which runs beside it, takes alerts, None where there is no double; `worker` is the address
    of a candidate's worker, and `environment` what a candidate is told."""

    files: FilesArgs
    service: DockerServiceArgs
    outside: bool
    receiver: str | None
    double: DockerExecutorArgs
    metrics: MetricsArgs
    edge: DockerEdgeArgs
    watch: WatchArgs
    worker: str
    environment: Mapping[str, str]

    @classmethod
    def of(cls, settings: Settings, names: Names, release: Release) -> DockerRuntimeArgs:
        files, edge = FilesArgs.of(settings, names), DockerEdgeArgs.of(settings, names)
        machine, outside = settings.require_machine(), needs_outside(settings)
        return cls(
            files=files,
            service=DockerServiceArgs.of(settings, names, release, files.volume, str(machine.stable_address), outside),
            outside=outside,
            receiver=settings.double,
            double=DockerExecutorArgs.of(settings, names, files.volume),
            metrics=MetricsArgs.of(settings, names, edge.lines),
            edge=edge,
            watch=WatchArgs.of(settings, names),
            worker=str(machine.candidate_worker_address),
            environment=shared_environment(settings, names, "candidate"),
        )


class DockerRuntime(pulumi.ComponentResource):
    """App and worker of the stable release, executor's double, metrics, watch, and the edge before both slots."""

    edge_url: str
    address: None = None
    """The edge's URL leads to it already."""
    edge: EdgeConfig
    slots: DockerSlots
    traffic: DockerTraffic
    metrics_url: pulumi.Input[str]
    parts: list[pulumi.Resource]
    processes: DockerProcesses
    receiver: str | None
    grafana: str | None

    def __init__(self, name: str, args: DockerRuntimeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:docker:Runtime", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        files = Files("files", args.files, child).filled
        app = DockerRelease("stable", replace(args.service, files=files), child)
        double = [DockerExecutor("executor", replace(args.double, files=files), child)] if args.receiver else []
        edge = DockerEdge("edge", args.edge, child)
        metrics = Metrics("metrics", replace(args.metrics, lines=edge.lines.name), child)
        watch = Watch("watch", args.watch, pulumi.ResourceOptions(parent=self, depends_on=[edge]))
        self.edge, self.receiver = args.edge.config, args.receiver
        self.edge_url, self.traffic, self.metrics_url = edge.url, edge.traffic, metrics.metrics_url
        self.slots = DockerSlots(
            stable=DockerPlace(address=self.edge.upstreams["stable"]),
            candidate=DockerSlot(
                address=self.edge.upstreams["candidate"],
                worker=args.worker,
                outside=args.outside,
                environment=args.environment,
                files=SlotFiles(volume=args.files.name, digest=args.files.digest),
            ),
        )
        self.processes = args.service.processes
        self.grafana = metrics.grafana
        self.parts = [app, *double, metrics, edge, watch]
        self.register_outputs({"edge_url": self.edge_url})
