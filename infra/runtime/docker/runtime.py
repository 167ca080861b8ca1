"""The docker runtime: all that runs of a base stack on one machine, and the slot that it keeps for a candidate."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.naming import Names
from infra.nginx import WEIGHTS, EdgeConfig
from infra.release import PORT, Release, shared_environment
from infra.runtime.docker.edge import DockerEdge, DockerEdgeArgs
from infra.runtime.docker.files import Files, FilesArgs
from infra.runtime.docker.metrics import Metrics, MetricsArgs
from infra.runtime.docker.service import DockerExecutor, DockerRelease, DockerServiceArgs
from infra.settings.keys import Settings
from outputs.slots import DockerPlace, DockerSlot, DockerSlots
from outputs.traffic import DockerTraffic


@dataclass(frozen=True, kw_only=True)
class DockerRuntimeArgs:
    """`release` goes into the stable slot."""

    settings: Settings
    names: Names
    release: Release


class DockerRuntime:
    """App and worker of the stable release, the executor's double, metrics, and the edge before both slots."""

    edge_url: str
    edge: EdgeConfig
    slots: DockerSlots
    traffic: DockerTraffic
    metrics_url: pulumi.Input[str]
    parts: list[pulumi.Resource]

    def __init__(self, args: DockerRuntimeArgs, opts: pulumi.ResourceOptions) -> None:
        settings, names = args.settings, args.names
        machine = settings.require_machine()
        upstreams = {"stable": f"{machine.stable_address}:{PORT}", "candidate": f"{machine.candidate_address}:{PORT}"}
        files = Files("files", FilesArgs.of(settings, names), opts)
        service = DockerServiceArgs.of(settings, names, args.release, files.filled, str(machine.stable_address))
        app = DockerRelease("stable", service, opts)
        double = [] if settings.executor_url else [DockerExecutor("executor", service, opts)]
        metrics = Metrics("metrics", MetricsArgs.of(settings, names), opts)
        self.edge = EdgeConfig(
            edge_id=f"{names.prefix}-edge",
            server_name=settings.domain,
            upstreams=upstreams,
            rate_per_minute=settings.edge.rate_per_minute,
            burst=settings.edge.burst,
            weights=WEIGHTS,
            trusted_proxies=[str(network) for network in settings.edge.trusted_proxies],
            trusted_callers=[machine.gateway, *map(str, settings.edge.trusted_callers)],
            pinning=settings.edge.pinning,
            reader=metrics.reader,
        )
        edge = DockerEdge("edge", DockerEdgeArgs.of(settings, names, self.edge), opts)
        self.edge_url, self.traffic = edge.url, edge.traffic
        self.slots = DockerSlots(
            stable=DockerPlace(address=upstreams["stable"]),
            candidate=DockerSlot(
                address=upstreams["candidate"],
                environment=shared_environment(settings, names, "candidate"),
                files=files.for_candidate,
            ),
        )
        self.metrics_url = metrics.metrics_url
        self.parts = [app, *double, metrics, edge]
